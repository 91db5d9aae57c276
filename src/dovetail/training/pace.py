"""How fast every parameter moves: the rate over the run as a picture, and which group each parameter fell into."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..recipe.recipe import Recipe, load
from ..recipe.span import Span
from .machine import resolved
from .run import make_source
from .show import laid_out
from .tables import aligned, chart

_POINTS = 400  # of the curve that --json gives


@dataclass(frozen=True)
class Parameters:
    """Parameters that move alike: the pattern they fell under (empty where none), and what differs for them."""

    pattern: str
    names: list[str]
    settings: dict[str, Any]


@dataclass(frozen=True)
class Pace:
    """The rate at steps from the first to the last, the groups, and what is set for all parameters together."""

    rule: str
    steps: int
    epoch: int
    curve: list[tuple[int, float]]
    groups: list[Parameters]
    together: dict[str, Any]

    def plain(self) -> dict[str, Any]:
        return {**vars(self), "groups": [vars(group) for group in self.groups]}

    def __str__(self) -> str:
        title = f"rate of {self.rule} over {self.steps:,} steps ({self.epoch:,} an epoch)"
        rows: list[tuple[str, ...]] = [("parameter", "group", "moves at")]
        for group in self.groups:
            settings = ", ".join(f"{name} {value}" for name, value in group.settings.items())
            rows += [(name, group.pattern, settings) for name in group.names]
        together = ", ".join(f"{name} {value}" for name, value in self.together.items())
        rows.append((f"{len(rows) - 1} parameters", "", f"together: {together}" if together else ""))
        picture = chart([rate for _, rate in self.curve], "0", f"{self.steps:,}")
        return "\n".join([title, *picture, "", *aligned(rows, left=3)])


def show_rates(recipe: str | Recipe, *overrides: str) -> Pace:
    """The rate at every step of a recipe's run, and the group of every parameter; nothing is trained.

    >>> import dovetail as dt
    >>> pace = dt.show_rates("lenet", "epochs=2")
    >>> pace.curve[0], pace.groups[0].names[:2]
    ((0, 0.02), ['network.0.weight', 'network.0.bias'])
    """
    described = resolved(load(recipe, list(overrides)) if isinstance(recipe, str) else recipe)
    facts = make_source(described.data, Path.cwd()).facts
    span = Span.of(-(-facts.sizes["train"] // described.batch), described.epochs)
    system, descent = laid_out(described, facts, span)
    groups = [Parameters(group["pattern"], list(group["names"]), _told(group, span)) for group in descent.groups]
    still = [name for name, parameter in system.named_parameters() if not parameter.requires_grad]
    if still:
        groups.append(Parameters("", still, {"freeze": "always"}))
    ticks = sorted({round(i * (span.total - 1) / (_POINTS - 1)) for i in range(_POINTS)})
    curve = [(t, descent.rate(t)) for t in ticks]
    optimizer = described.optimizer
    together = {name: getattr(optimizer, name) for name in ("clip", "clip_layers", "clip_values", "outlier")}
    together["average"] = repr(optimizer.average) if optimizer.average is not None else None
    together = {name: value for name, value in together.items() if value is not None}
    return Pace(repr(optimizer.rule), span.total, span.epoch, curve, groups, together)


def _told(group: dict[str, Any], span: Span) -> dict[str, Any]:
    """A group's settings in a recipe's words, those that do something."""
    still = f"until step {group['frozen']}" + (", after the run's end" if group["frozen"] >= span.total else "")
    words = {
        "rate": f"x {group['scale']:g}",
        "decay": group["weight_decay"],
        "shrink": group["shrink"],
        "l1": group["l1"],
        "momentum": group.get("momentum"),
        "clip": group["clip"],
        "max_norm": group["max_norm"],
        "clamp": group["clamp"],
        "freeze": still if group["frozen"] else None,
    }
    return {name: value for name, value in words.items() if value}
