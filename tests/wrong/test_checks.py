"""The contract's checks reject layers that break them."""

from __future__ import annotations

import pytest
from contracts import checks
from wrong.layers import WRONG

from dovetail.recipe import layer
from dovetail.recipe.spec import Spec


@pytest.fixture
def _registered() -> None:
    """The wrong layers, registered for one test alone."""
    for function in WRONG:
        layer(function)


@pytest.mark.parametrize(
    ("name", "check"),
    [
        ("wrong_backward", checks.gradients_match_finite_differences),
        ("leaking", checks.examples_do_not_see_each_other),
        ("forgetful", checks.state_round_trips),
        ("single", checks.precision_is_kept),
    ],
)
@pytest.mark.usefixtures("_registered")
def test_a_broken_promise_is_noticed(name: str, check: checks.Check) -> None:
    with pytest.raises((AssertionError, RuntimeError)):
        check(Spec("layer", name, {}), (5,))
