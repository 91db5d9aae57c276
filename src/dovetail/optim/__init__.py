"""Rules, schedules and groups: how parameters move."""

from .descent import Descent
from .rates import constant, cosine, exponential, piecewise, polynomial
from .rules import adagrad, adam, adamw, rmsprop, sgd

__all__ = [
    "Descent", "adagrad", "adam", "adamw", "constant", "cosine", "exponential", "piecewise", "polynomial",
    "rmsprop", "sgd",
]  # fmt: skip
