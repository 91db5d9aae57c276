"""The objective of a recipe, as its target and its other settings ask for it."""

from __future__ import annotations

import dataclasses
from typing import Any

from ..recipe.errors import RecipeError
from ..recipe.facts import Target
from ..recipe.spec import Spec
from .places import Places
from .reject import Rejecting


def make_objective(spec: Spec, target: Target, reject: bool = False) -> Any:
    """The objective on such a target; of tags, one that does not see time judges each place.

    Raises `RecipeError` where it does not suit the target, or is to reject and does not say how sure it is.
    """
    if target.form != "tags" or spec.part.sees_time:
        made = spec.make_at("objective", target)
    else:
        made = Places(spec.make_at("objective", dataclasses.replace(target, form="class")))
    if not reject:
        return made
    if not hasattr(made.each if isinstance(made, Places) else made, "sureness"):
        raise RecipeError(f"reject: the objective '{spec.name}' does not say how sure its decisions are")
    return Rejecting(made)
