"""Many runs of one recipe: settings side by side."""

from .compare import Comparison, compare
from .found import BEST, Found
from .rate import RateFound, find_rate
from .trial import Trial
from .tune import tune

__all__ = ["BEST", "Comparison", "Found", "RateFound", "Trial", "compare", "find_rate", "tune"]
