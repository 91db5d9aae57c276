"""Automata from what people write: strings, word lists, expressions, grammars, tables of n-grams, cuts of a line."""

from .expression import expression
from .grammar import grammar
from .lexicon import lexicon, string, strings
from .ngram import ngram
from .segmentation import segmentation
from .topology import alignments, ctc, repeats

__all__ = [
    "alignments", "ctc", "expression", "grammar", "lexicon", "ngram", "repeats", "segmentation", "string", "strings"
]  # fmt: skip
