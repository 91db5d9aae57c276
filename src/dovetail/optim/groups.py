"""Parameters in groups by name pattern: each group its own rate factor and decay."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from torch import Tensor

from ..recipe.errors import RecipeError, nearest
from ..recipe.recipe import Group


def grouped(named: Iterable[tuple[str, Tensor]], patterns: Mapping[str, Group], decay: float) -> list[dict[str, Any]]:
    """PyTorch parameter groups with `names`, `scale` (the rate's factor) and `weight_decay`.

    A parameter follows the last pattern that matches its name. Raises `RecipeError` for a pattern that matches none.
    """
    parameters = list(named)
    require_matches(patterns, [name for name, _ in parameters], "optimizer.groups")
    groups: dict[tuple[float, float], dict[str, Any]] = {}
    for name, parameter in parameters:
        settings = Group()
        for pattern, group in patterns.items():
            if fnmatchcase(name, pattern):
                settings = group
        own_decay = decay if settings.decay is None else settings.decay
        key = (settings.rate, own_decay)
        empty = {"params": [], "names": [], "scale": settings.rate, "weight_decay": own_decay}
        group_of = groups.setdefault(key, empty)
        group_of["params"].append(parameter)
        group_of["names"].append(name)
    return list(groups.values())


def require_matches(patterns: Iterable[str], names: Sequence[str], where: str) -> None:
    """Refuse a pattern that matches no parameter, which is a typing error more often than not."""
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in names):
            raise RecipeError(f"{where}: '{pattern}' matches no parameter. {nearest(pattern, names)}")
