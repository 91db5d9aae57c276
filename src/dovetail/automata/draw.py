"""Pictures of automata: Graphviz source, and SVG where Graphviz is installed."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence

from torch import Tensor

from ..recipe.errors import UsageError
from .automaton import Automaton
from .structure import EPSILON
from .symbols import Symbols

MOST = 300  # states that a picture still shows


def dot(
    automaton: Automaton,
    inputs: Symbols | None = None,
    outputs: Symbols | None = None,
    path: Sequence[int] = (),
    shares: Tensor | None = None,
    most: int = MOST,
) -> str:
    """Graphviz source of an automaton: an arc is labelled `input:output/score`, ends are double circles.

    The arcs of `path` are red; `shares` (arcs,), such as posteriors, are the widths of the lines. Raises `UsageError`
    where there are more than `most` states, and for a path or shares of other arcs.

    >>> print(dot(Automaton.of(2, [(0, 1, 3)], final=1)).splitlines()[-2])
        0 -> 1 [label="3"]
    """
    if automaton.states > most:
        raise UsageError(f"dot: {automaton.states} states are no picture; most={automaton.states} draws them anyway")
    strange = next((arc for arc in path if not 0 <= arc < automaton.arcs), None)
    if strange is not None:
        raise UsageError(f"dot: the path has arc {strange}, the automaton {automaton.arcs} arcs from 0")
    if shares is not None and shares.shape != (automaton.arcs,):
        raise UsageError(f"dot: shares are ({automaton.arcs},), one an arc, not {tuple(shares.shape)}")
    structure, lines = automaton.structure, ["digraph automaton {", "    rankdir=LR", "    node [shape=circle]"]
    begins, ends = automaton.start.tolist(), automaton.final.tolist()
    for state, (begin, end) in enumerate(zip(begins, ends, strict=True)):
        looks = []
        if end > -float("inf"):
            looks.append("shape=doublecircle")
        if begin > -float("inf"):
            looks.append("style=bold")
        told = [(sign, score) for sign, score in (("^", begin), ("/", end)) if score not in (0.0, -float("inf"))]
        scores = [f"{sign}{score:.4g}" for sign, score in told]
        lines.append(f'    {state} [label="{state}{"".join(scores)}"{"".join(f", {look}" for look in looks)}]')
    columns = (structure.source, structure.target, structure.input, structure.output)
    weights = automaton.weight.tolist() if automaton.weight.dim() == 1 else [0.0] * automaton.arcs
    for arc, ((source, target, read, written), score) in enumerate(
        zip(zip(*(column.tolist() for column in columns), strict=True), weights, strict=True)
    ):
        label = _name(read, inputs) if read == written else f"{_name(read, inputs)}:{_name(written, outputs)}"
        looks = [f'label="{label}{f"/{score:.4g}" if score else ""}"']
        if arc in path:
            looks.append("color=red")
        if shares is not None:
            looks.append(f"penwidth={0.2 + 4 * float(shares[arc]):.2f}")
        lines.append(f"    {source} -> {target} [{', '.join(looks)}]")
    return "\n".join([*lines, "}"])


def svg(source: str) -> str:
    """The picture that Graphviz makes of a source. Raises `UsageError` where it is not installed."""
    program = shutil.which("dot")
    if program is None:
        raise UsageError("pictures need Graphviz: its program dot is not installed; the source can be drawn elsewhere")
    done = subprocess.run([program, "-Tsvg"], input=source, capture_output=True, text=True, check=False)
    if done.returncode:
        raise UsageError(f"Graphviz does not draw this: {done.stderr.strip()}")
    return done.stdout


def _name(label: int, symbols: Symbols | None) -> str:
    name = "ε" if label == EPSILON else str(label) if symbols is None else symbols.name(label)
    return name.replace("\\", "\\\\").replace('"', '\\"')
