"""Parameters in groups by name pattern: each group its own rate factor, decay and constraints."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Any

from torch import Tensor

from ..recipe.errors import RecipeError, nearest
from ..recipe.place import fail
from ..recipe.recipe import Group, Optimizer
from ..recipe.span import Span


def grouped(named: Iterable[tuple[str, Tensor]], settings: Optimizer, span: Span) -> list[dict[str, Any]]:
    """PyTorch parameter groups: `names`, `scale` (the rate's factor), `weight_decay` and what else a group says.

    A parameter follows the last pattern that matches its name; what is frozen for good is in no group. Raises
    `RecipeError` for a pattern that matches none, or none but these.
    """
    every = list(named)
    require_matches(settings.groups, [name for name, _ in every], "optimizer.groups")
    parameters = [(name, parameter) for name, parameter in every if parameter.requires_grad]
    for pattern in settings.groups:
        if not any(fnmatchcase(name, pattern) for name, _ in parameters):
            raise RecipeError(f"optimizer.groups: '{pattern}' matches nothing but what `freeze` leaves as it is")
    groups: dict[tuple[Any, ...], dict[str, Any]] = {}
    for name, parameter in parameters:
        pattern, own = "", Group()
        for candidate, group in settings.groups.items():
            if fnmatchcase(name, candidate):
                pattern, own = candidate, group
        shared = {
            "pattern": pattern,
            "scale": own.rate,
            "weight_decay": settings.decay if own.decay is None else own.decay,
            "shrink": settings.shrink if own.shrink is None else own.shrink,
            "l1": settings.l1 if own.l1 is None else own.l1,
            "clip": own.clip,
            "frozen": 0 if own.freeze is None else span.steps(own.freeze),
            "max_norm": settings.max_norm if own.max_norm is None else own.max_norm,
            "clamp": settings.clamp if own.clamp is None else own.clamp,
        }
        if own.momentum is not None:
            shared["momentum"] = own.momentum
        group_of = groups.setdefault(tuple(shared.items()), {"params": [], "names": [], **shared})
        group_of["params"].append(parameter)
        group_of["names"].append(name)
    return list(groups.values())


def require_momentum(settings: Optimizer, defaults: dict[str, Any]) -> None:
    """Refuse a group's momentum where the rule, whose options these are, has none."""
    for pattern, group in settings.groups.items():
        if group.momentum is not None and "momentum" not in defaults:
            where = f"optimizer.groups '{pattern}'"
            fail(f"the rule {settings.rule.name} has no momentum to replace", where, settings.rule.place)


def require_whole(settings: Optimizer) -> None:
    """Refuse what a rule that looks at the loss along one direction of all parameters could not heed."""
    rule, place, groups = settings.rule.name, settings.rule.place, settings.groups.values()
    if any(group.rate != 1 for group in groups):
        fail(f"{rule} moves all parameters together; leave the groups' rates out", "optimizer.groups", place)
    clips = (settings.clip, settings.clip_layers, settings.clip_values, *(group.clip for group in groups))
    if any(clip is not None for clip in clips):
        fail(f"{rule} chooses by the loss how far it goes; leave clipping out", "optimizer", place)


def require_matches(patterns: Iterable[str], names: Sequence[str], where: str) -> None:
    """Refuse a pattern that matches no parameter, which is a typing error more often than not."""
    kinds = {f"*.{name.rpartition('.')[2]}" for name in names}
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in names):
            raise RecipeError(f"{where}: '{pattern}' matches no parameter. {nearest(pattern, names, kinds)}")
