"""Sources of data, each a function from a folder and options to facts and three parts."""

from .arrays import arrays
from .digits import digits
from .folder import folder
from .idx import idx, mnist
from .noise import noise
from .table import cancer, diabetes, table

__all__ = ["arrays", "cancer", "diabetes", "digits", "folder", "idx", "mnist", "noise", "table"]
