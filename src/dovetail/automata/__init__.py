"""Automata: arcs with scores, sums and best paths over all that they can read, and operations on them."""

from .alone import best_total, ranked, total
from .automaton import EPSILON, Automaton, beside
from .bestpath import best_paths, best_score, n_best
from .chain import Chain
from .counting import path_count
from .draw import dot, svg
from .paths import Path
from .pathsum import path_sum
from .posterior import posteriors, sample
from .spelling import ctc_sum
from .symbols import Symbols
from .text import read_openfst, write_openfst, write_symbols

__all__ = [
    "EPSILON",
    "Automaton",
    "Chain",
    "Path",
    "Symbols",
    "beside",
    "best_paths",
    "best_score",
    "best_total",
    "ctc_sum",
    "dot",
    "n_best",
    "path_count",
    "path_sum",
    "posteriors",
    "ranked",
    "read_openfst",
    "sample",
    "svg",
    "total",
    "write_openfst",
    "write_symbols",
]
