"""Many runs of one recipe: settings side by side."""

from .compare import Comparison, compare

__all__ = ["Comparison", "compare"]
