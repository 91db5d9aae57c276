"""Best paths: the highest score of all paths that read given frames, and the paths that come next."""

from __future__ import annotations

from itertools import islice

import numpy as np
import torch
from torch import Tensor

from ..recipe.errors import UsageError
from .automaton import Automaton
from .kernel import kernel_for
from .paths import Path, paths_of, score_along
from .rows import Reading, forward_rows
from .search import from_best
from .semiring import MAX
from .structure import Indices


def best_score(automaton: Automaton, frames: Tensor, lengths: Tensor | None = None) -> Tensor:
    """(N,): the score of the best path that reads each example; its gradient is 1 along that path, 0 elsewhere.

    -inf, without gradient, where no path reads an example. Shapes and errors as in `path_sum`. Viterbi (1967).

    >>> a = Automaton.of(2, [(0, 0, 0), (0, 1, 1), (1, 1, 0)], final=1)
    >>> best_score(a, torch.tensor([[[1.0, 2.0], [0.5, 4.0]]]))
    tensor([5.])
    """
    reading = Reading.of(automaton, frames, lengths)
    nothing = automaton.start.new_full((), -torch.inf)
    best = [None if arcs is None else arcs.tolist() for arcs in _best_arcs(reading)]
    scores = [nothing if arcs is None else score_along(reading, n, arcs) for n, arcs in enumerate(best)]
    return torch.stack(scores) if scores else frames.new_zeros(0)


def best_paths(automaton: Automaton, frames: Tensor, lengths: Tensor | None = None) -> list[Path | None]:
    """The best path of each example, None where no path reads it or its frames are not numbers.

    Shapes and errors as in `path_sum`.

    >>> a = Automaton.of(2, [(0, 0, 0), (0, 1, 1, 7, 0.0), (1, 1, 0)], final=1)
    >>> best_paths(a, torch.tensor([[[1.0, 2.0], [0.5, 4.0]]]))[0]
    Path(arcs=[0, 1], labels=[0, 1], outputs=[0, 7], score=5.0)
    """
    reading = Reading.of(automaton, frames, lengths)
    with torch.no_grad():
        found = {n: arcs for n, arcs in enumerate(_best_arcs(reading)) if arcs is not None}
        paths = dict(zip(found, paths_of(reading, list(found), list(found.values())), strict=True))
    return [paths.get(n) for n in range(len(frames))]


def n_best(automaton: Automaton, frames: Tensor, k: int, lengths: Tensor | None = None) -> list[list[Path]]:
    """The k best paths of each example, the best first; fewer where there are fewer. Exact.

    Shapes and errors as in `path_sum`; `UsageError`, too, for a k below 0.

    >>> a = Automaton.of(2, [(0, 0, 0), (0, 1, 1), (1, 1, 0)], final=1)
    >>> [path.labels for path in n_best(a, torch.tensor([[[1.0, 2.0], [0.5, 4.0]]]), 3)[0]]
    [[0, 1], [1, 0]]
    """
    if k < 0:
        raise UsageError(f"n_best: k is how many paths, not {k}")
    reading = Reading.of(automaton, frames, lengths)
    with torch.no_grad():
        rows = forward_rows(reading, MAX)
        return [list(islice(from_best(reading, rows, n), k)) for n in range(len(frames))]


def _best_arcs(reading: Reading) -> list[Indices | None]:
    """The arcs of each example's best path."""
    kernel = kernel_for(reading)
    if kernel is not None:
        return kernel.best()
    with torch.no_grad():
        rows = forward_rows(reading, MAX)
        firsts = (next(from_best(reading, rows, n), None) for n in range(len(reading.frames)))
        return [None if path is None else np.array(path.arcs, np.int64) for path in firsts]
