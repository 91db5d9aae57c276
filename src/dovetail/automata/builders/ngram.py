"""Tables of n-grams with back-off, as automata."""

from __future__ import annotations

from collections.abc import Mapping

from ..automaton import Arc, Automaton
from ..structure import EPSILON

Context = tuple[int, ...]


def ngram(
    scores: Mapping[Context, float],
    backoff: Mapping[Context, float] | None = None,
    start: int | None = None,
    end: int | None = None,
    exact: bool = True,
) -> Automaton:
    """Reads any string of labels, with the score of each label behind those before it.

    `scores` has for (a, b, c) the score of c behind a, b; keys may be of any length. Where a context has no score for a
    label, its `backoff` (0 unless given) is added and the context loses its oldest label (Katz, 1987). `start` and
    `end` are labels that stand before and behind every string, and are not read. Each state has an arc for every label
    that has a score alone; `exact=False` has arcs that read nothing for backing off instead, as large models need, by
    which a path may also back off where it need not.

    >>> import torch
    >>> from dovetail.automata import best_paths
    >>> bigram = ngram({(0,): -1.0, (1,): -1.0, (0, 1): -0.1}, {(0,): -0.5})
    >>> best_paths(bigram, torch.zeros(1, 3, 2))[0].labels
    [0, 1, 1]
    """
    table = _Table(scores, backoff or {})
    arcs: list[Arc] = []
    final: dict[int, float] = {}
    alone = sorted({key[-1] for key in scores}) if exact else []
    for context, place in table.number.items():
        for label in alone if exact else [key[-1] for key in scores if key[:-1] == context]:
            score = table.score(context, label) if exact else scores[(*context, label)]
            if score is None or label == start:
                continue
            if label == end:
                final[place] = score
            else:
                arcs.append((place, table.longest((*context, label)), label, label, score))
        if context and not exact:
            arcs.append((place, table.longest(context[1:]), EPSILON, EPSILON, table.backoff.get(context, 0.0)))
    ends = final if end is not None else dict.fromkeys(table.number.values(), 0.0)
    return Automaton.of(len(table.number), arcs, table.longest(() if start is None else (start,)), ends)


class _Table:
    """Scores by context, and the contexts as numbered states."""

    def __init__(self, scores: Mapping[Context, float], backoff: Mapping[Context, float]) -> None:
        self.scores, self.backoff = scores, backoff
        contexts = {key[:-1] for key in scores} | {()} | set(backoff)
        contexts |= {context[k:] for context in contexts for k in range(len(context) + 1)}
        self.number = {context: place for place, context in enumerate(sorted(contexts, key=lambda c: (len(c), c)))}

    def longest(self, labels: Context) -> int:
        """The state of the longest context that these labels end in."""
        return self.number[next(labels[k:] for k in range(len(labels) + 1) if labels[k:] in self.number)]

    def score(self, context: Context, label: int) -> float | None:
        """Of a label behind a context; None where it has none, however far one backs off."""
        owed = 0.0
        for k in range(len(context) + 1):
            if (*context[k:], label) in self.scores:
                return owed + self.scores[(*context[k:], label)]
            owed += self.backoff.get(context[k:], 0.0)
        return None
