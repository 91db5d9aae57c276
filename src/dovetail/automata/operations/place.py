"""Where operations compute: on the CPU, since what arcs there are is decided there; the scores go back."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec

import torch

from ..automaton import Automaton

Given = ParamSpec("Given")


def on_cpu(operation: Callable[Given, Automaton]) -> Callable[Given, Automaton]:
    """An operation on automata whose scores are on any device, which its result's are on, too."""

    @wraps(operation)
    def anywhere(*args: Given.args, **options: Given.kwargs) -> Automaton:
        places = {one.weight.device for one in (*args, *options.values()) if isinstance(one, Automaton)}
        if all(place.type == "cpu" for place in places):
            return operation(*args, **options)
        moved: Any = [_to_cpu(one) for one in args]
        named: Any = {name: _to_cpu(one) for name, one in options.items()}
        return operation(*moved, **named).to(next(place for place in places if place.type != "cpu"))

    return anywhere


def _to_cpu(one: Any) -> Any:
    return one.to(torch.device("cpu")) if isinstance(one, Automaton) else one
