"""Rules, schedules and groups: how parameters move."""

from .averages import ema, polyak
from .descent import Descent
from .rates import constant, cosine, exponential, piecewise, polynomial
from .rules import adagrad, adam, adamw, rmsprop, sgd

__all__ = [
    "Descent", "adagrad", "adam", "adamw", "constant", "cosine", "ema", "exponential", "piecewise", "polyak",
    "polynomial", "rmsprop", "sgd",
]  # fmt: skip
