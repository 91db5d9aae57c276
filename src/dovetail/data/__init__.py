"""Sources of data, each a function from a folder and options to facts and three parts."""

from .arrays import arrays
from .digits import digits
from .folder import folder
from .idx import idx, mnist
from .line_images import line_images
from .lines import amounts, digit_strings
from .noise import noise
from .pairs import pairs
from .table import cancer, diabetes, table
from .tagged import columns
from .texts import lines
from .words import words

__all__ = [
    "amounts", "arrays", "cancer", "columns", "diabetes", "digit_strings", "digits", "folder", "idx", "line_images",
    "lines", "mnist", "noise", "pairs", "table", "words",
]  # fmt: skip
