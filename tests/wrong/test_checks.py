"""The contract's checks reject layers that break them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from contracts import checks
from dovetail.recipe import spec as registry
from dovetail.recipe.spec import Part, Spec


@pytest.fixture
def wrong() -> Iterator[object]:
    """The wrong layers, registered for one test alone."""
    before = dict(registry._parts["layer"])
    from wrong import layers

    for part in vars(layers).values():
        if isinstance(part, Part):
            registry._parts["layer"][part.name] = part
    yield layers
    registry._parts["layer"] = before


@pytest.mark.parametrize(
    ("name", "check"),
    [
        ("wrong_backward", checks.gradients_match_finite_differences),
        ("leaking", checks.examples_do_not_see_each_other),
        ("forgetful", checks.state_round_trips),
        ("single", checks.precision_is_kept),
    ],
)
def test_a_broken_promise_is_noticed(wrong: object, name: str, check: checks.Check) -> None:
    with pytest.raises((AssertionError, RuntimeError)):
        check(Spec("layer", name, {}), (5,))
