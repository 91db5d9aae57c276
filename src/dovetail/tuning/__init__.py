"""Many runs of one recipe: settings side by side, and a search among them (`tune`, which needs SciPy)."""

from .compare import Comparison, compare
from .rate import RateFound, find_rate

__all__ = ["Comparison", "RateFound", "compare", "find_rate"]
