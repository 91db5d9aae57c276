"""Operations on automata. What comes out has weights that are expressions of those that went in, with gradients."""

from .compose import compose
from .determinize import determinize
from .epsilon import remove_epsilon
from .minimize import minimize
from .rational import closure, concat, union
from .shape import invert, project, relabel, reverse, trim

__all__ = [
    "closure",
    "compose",
    "concat",
    "determinize",
    "invert",
    "minimize",
    "project",
    "relabel",
    "remove_epsilon",
    "reverse",
    "trim",
    "union",
]
