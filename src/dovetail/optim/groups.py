"""Parameters in groups by name pattern: each group its own rate factor, decay and constraints."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Any

from torch import Tensor

from ..recipe.errors import RecipeError, nearest
from ..recipe.recipe import Group, Optimizer


def grouped(named: Iterable[tuple[str, Tensor]], settings: Optimizer) -> list[dict[str, Any]]:
    """PyTorch parameter groups with `names`, `scale` (the rate's factor), `weight_decay`, `max_norm` and `clamp`.

    A parameter follows the last pattern that matches its name. Raises `RecipeError` for a pattern that matches none.
    """
    parameters = list(named)
    require_matches(settings.groups, [name for name, _ in parameters], "optimizer.groups")
    groups: dict[tuple[Any, ...], dict[str, Any]] = {}
    for name, parameter in parameters:
        own = Group()
        for pattern, group in settings.groups.items():
            if fnmatchcase(name, pattern):
                own = group
        shared = {
            "scale": own.rate,
            "weight_decay": settings.decay if own.decay is None else own.decay,
            "max_norm": settings.max_norm if own.max_norm is None else own.max_norm,
            "clamp": settings.clamp if own.clamp is None else own.clamp,
        }
        group_of = groups.setdefault(tuple(shared.values()), {"params": [], "names": [], **shared})
        group_of["params"].append(parameter)
        group_of["names"].append(name)
    return list(groups.values())


def require_matches(patterns: Iterable[str], names: Sequence[str], where: str) -> None:
    """Refuse a pattern that matches no parameter, which is a typing error more often than not."""
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in names):
            raise RecipeError(f"{where}: '{pattern}' matches no parameter. {nearest(pattern, names)}")
