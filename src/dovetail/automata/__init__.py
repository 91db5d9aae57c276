"""Automata: arcs with scores, and sums and best paths over all that they can read."""

from .alone import best_total, ranked, total
from .automaton import EPSILON, Automaton, beside
from .bestpath import best_paths, best_score, n_best
from .counting import path_count
from .paths import Path
from .pathsum import path_sum

__all__ = [
    "EPSILON",
    "Automaton",
    "Path",
    "beside",
    "best_paths",
    "best_score",
    "best_total",
    "n_best",
    "path_count",
    "path_sum",
    "ranked",
    "total",
]
