"""How labels may be spread over frames: repeated, and with a blank between."""

from __future__ import annotations

from collections.abc import Sequence

from ..automaton import Arc, Automaton
from ..structure import EPSILON


def repeats(labels: Sequence[int]) -> Automaton:
    """Reads each label of a string once or more.

    Collobert, Puhrsch and Synnaeve (2016), Wav2Letter, where it is the numerator of ASG.

    >>> import torch
    >>> from dovetail.automata import path_count
    >>> path_count(repeats([0, 1]), torch.tensor([2, 5]))  # where the change from 0 to 1 may be
    tensor([1, 4])
    """
    arcs: list[Arc] = [(i, i + 1, label) for i, label in enumerate(labels)]
    arcs += [(i + 1, i + 1, label, EPSILON, 0.0) for i, label in enumerate(labels)]
    return Automaton.of(len(labels) + 1, arcs, final=len(labels))


def alignments(count: int, blank: int | None) -> Automaton:
    """Reads labels 0 to count - 1 spread over frames as `ctc` spreads them, and writes the string: of any string.

    Without a blank they are spread as by `repeats`, so that a frame begins another label or goes on with the last.

    Composed with an automaton that reads strings it reads the frames of those.

    >>> import torch
    >>> from dovetail.automata import best_paths
    >>> frames = torch.eye(3)[[1, 1, 2, 1, 0]][None]
    >>> best_paths(alignments(2, blank=2), frames)[0].outputs
    [1, 1, 0]
    """
    # state 0: nothing, or a blank, was read last; 1 + c: label c
    arcs: list[Arc] = [] if blank is None else [(0, 0, blank, EPSILON, 0.0)]
    for label in range(count):
        arcs += [(0, 1 + label, label), (1 + label, 1 + label, label, EPSILON, 0.0)]
        arcs += [] if blank is None else [(1 + label, 0, blank, EPSILON, 0.0)]
        arcs += [(1 + label, 1 + other, other) for other in range(count) if other != label or blank is None]
    return Automaton.of(1 + count, arcs, final=range(1 + count))


def ctc(labels: Sequence[int], blank: int) -> Automaton:
    """Reads each label of a string once or more, with blanks anywhere, and at least one between two labels alike.

    Writes each label where it is first read. Graves et al. (2006), Connectionist temporal classification.

    >>> import torch
    >>> from dovetail.automata import path_count
    >>> path_count(ctc([0, 0], blank=1), torch.tensor([2, 3, 4]))
    tensor([0, 1, 5])
    """
    arcs: list[Arc] = [(0, 0, blank, EPSILON, 0.0)]
    for i, label in enumerate(labels):
        on, off = 2 * i + 1, 2 * i + 2  # the label was read last, a blank behind it
        arcs += [(2 * i, on, label), (on, on, label, EPSILON, 0.0)]
        arcs += [(on, off, blank, EPSILON, 0.0), (off, off, blank, EPSILON, 0.0)]
        if i and labels[i - 1] != label:
            arcs.append((on - 2, on, label))
    ends = [2 * len(labels), 2 * len(labels) - 1] if labels else [0]
    return Automaton.of(2 * len(labels) + 1, arcs, final=ends)
