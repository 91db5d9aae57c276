"""A system: a network and an objective, joined. Its forward is the summed loss."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ..layers.heads import Heads, main_of
from ..objectives.make import make_objective
from ..objectives.objective import Objective
from ..optim.groups import require_matches
from ..recipe.build import BuildError, build_and_push, fill, shape_text
from ..recipe.draws import Draws, mix, purpose_key
from ..recipe.errors import RecipeError
from ..recipe.facts import Facts, Input
from ..recipe.recipe import Recipe
from ..recipe.sequences import Sequences, cut, values_of
from ..recipe.spec import Spec
from .machine import autocast, dtype_of
from .tensors import require_alike


def specimen(input: Input, dtype: torch.dtype = torch.float32) -> Any:
    """A batch of two examples on the meta device: shape and type, no data."""
    if input.form != "sequence":
        return torch.empty((2, *input.shape), dtype=dtype, device="meta")
    longest, *place = input.shape
    stored = getattr(torch, input.dtype) if input.fields else dtype
    places = torch.empty((2 * longest, *place), dtype=stored, device="meta")
    lengths = torch.tensor([longest, longest], device="cpu")  # which are looked at
    return Sequences(places, lengths, tuple(input.fields))


class Mixed(NamedTuple):
    """The other targets (N, ...) that examples were mixed with, and the share (N,) that an example's own has."""

    target: Tensor
    share: Tensor


class Batch(NamedTuple):
    """Examples as the system takes them; `first` is the row of the step's global batch at which they begin."""

    input: Any  # a tensor, or sequences
    target: Any
    weight: Tensor | None = None
    first: int = 0
    mixed: Mixed | None = None

    def rows(self, rows: range) -> Batch:
        """Some of its examples."""
        own = slice(rows.start, rows.stop)
        weight = None if self.weight is None else self.weight[own]
        mixed = None if self.mixed is None else Mixed(self.mixed.target[own], self.mixed.share[own])
        return Batch(cut(self.input, own), cut(self.target, own), weight, self.first + rows.start, mixed)


class System(nn.Module):
    """The network and the objective of a recipe, on data with the given facts.

    Raises `RecipeError` where a layer cannot be built, the objective does not suit the data, or the network's output is
    not what the objective judges.
    """

    def __init__(self, recipe: Recipe, facts: Facts, device: str | None = None) -> None:
        super().__init__()
        self.draws = Draws(recipe.seed)
        self.still: list[nn.Module] = []  # frozen modules, which stay in evaluation mode
        self.relevant = recipe.relevance and recipe.relevance.by
        self.heard: list[Tensor] = []  # how relevant the examples of each batch were, where that is asked for
        self.precision = autocast(recipe)
        self.mirrors = recipe.views == "mirror"
        if self.mirrors and len(facts.input.shape) != 3:
            shape = facts.input.shape
            raise RecipeError(f"views: only images have mirror images, and an example of these data is {shape}")
        self.channels_last = recipe.layout == "channels_last"
        with torch.device(device or "cpu"), torch.random.fork_rng(devices=[]):
            torch.manual_seed(mix(recipe.seed, purpose_key("init")))
            self.objective: Any = make_objective(recipe.objective, facts.target, recipe.reject is not None)
            specs = fill(recipe.network, self.objective.width, recipe.init)
            if not specs:
                raise RecipeError("network: has no layers")
            self.network, output = build_and_push(specs, specimen(facts.input))
        if self.relevant == "margin" and not hasattr(self.objective, "margin"):
            raise RecipeError(f"relevance: the objective '{recipe.objective.name}' has no margin; take by: loss")
        self.counts_examples = type(self.objective).count is Objective.count
        self._require_fit(specs[-1], output)
        for name, module in self.network.named_modules():
            if hasattr(module, "draws"):
                module.draws, module.purpose = self.draws, name
        self.to(dtype_of(recipe))
        if self.channels_last:
            self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def _require_fit(self, last: Spec, output: Any) -> None:
        for side, _ in output.sides if isinstance(output, Heads) else ():
            self._require_fit_of(last, side, "a side head of the network ends")
        self._require_fit_of(last, main_of(output), "the network ends")

    def _require_fit_of(self, last: Spec, output: Any, ends: str) -> None:
        values = values_of(output)
        if isinstance(values, Tensor) and self.objective.fits(values.shape):
            return
        advice = ""
        if isinstance(values, Tensor) and values.dim() > 2:
            advice = "; put flatten (or globalpool) before the last linear"
        elif isinstance(values, Tensor):
            advice = "; end the network with - linear: outputs"
        wrong = BuildError(
            f"{ends} in {shape_text(output)}, the objective takes {self.objective.expects()}{advice}",
            last.name,
            last.place,
        )
        wrong.path = f"[{len(self.network) - 1}]"
        raise wrong

    def freeze(self, patterns: Sequence[str]) -> None:
        """Leave parameters as they are, by name pattern; a batch normalization frozen whole keeps its statistics, too.

        Raises `RecipeError` for a pattern that matches none, and where nothing is left to train.
        """
        names = [name for name, _ in self.named_parameters()]
        require_matches(patterns, names, "freeze")
        for name, parameter in self.named_parameters():
            if any(fnmatchcase(name, pattern) for pattern in patterns):
                parameter.requires_grad_(False)
        if not any(parameter.requires_grad for parameter in self.parameters()):
            raise RecipeError(
                "freeze: covers every parameter, and nothing is left to train"
                if names
                else "network: has no parameters to train"
            )
        for module in self.modules():
            own = list(module.parameters(recurse=False))
            if own and not any(parameter.requires_grad for parameter in own):
                self.still.append(module)

    def take(self, weights: dict[str, Tensor]) -> None:
        """Take up what `state_dict()` gave; raises `ValueError` where it is something else."""
        require_alike(self.state_dict(), weights)
        self.load_state_dict(weights)

    def train(self, mode: bool = True) -> System:
        super().train(mode)
        for module in self.still:
            module.eval()
        return self

    def forward(self, batch: Batch) -> Tensor:
        """The loss summed over the batch, weights applied."""
        return self.judged(self.output(batch.input), batch)

    def judged(self, output: Any, batch: Batch) -> Tensor:
        """The summed loss of the network's output for a batch."""
        loss = self._loss(output, batch.target)
        if self.relevant and self.training:
            self.heard.append(self._relevance(main_of(output), batch.target, loss))
        if batch.mixed is not None:
            other, share = batch.mixed
            loss = share * loss + (1 - share) * self._loss(output, other)
        return loss.sum() if batch.weight is None else (loss * batch.weight).sum()

    @torch.no_grad()
    def _relevance(self, output: Tensor, target: Tensor, loss: Tensor) -> Tensor:
        """(N,): the loss, or 1 / (1 + e^margin)."""
        return loss.detach() if self.relevant == "loss" else torch.sigmoid(-self.objective.margin(output, target))

    def _loss(self, output: Any, target: Tensor) -> Tensor:
        """(N,): the objective's loss, with those of auxiliary heads."""
        loss: Tensor = self.objective.loss(main_of(output), target)
        if isinstance(output, Heads):
            for side, weight in output.sides:
                loss = loss + weight * self.objective.loss(side, target)
        return loss

    def output(self, x: Any) -> Any:
        """The network's answer."""
        with self.precision:
            return self.network(self.laid_out(x))

    def answer(self, x: Any) -> Any:
        """What tests judge: the output, pooled over the views of the input that the recipe names."""
        output = self.output(x)
        if self.mirrors:
            output = self.objective.pool([output, self.output(x.flip(-1))])
        return output

    def laid_out(self, x: Any) -> Any:
        """The input in the network's memory layout."""
        if isinstance(x, Sequences):
            return x.having(self.laid_out(x.values)) if self.channels_last and not x.fields else x
        return x.contiguous(memory_format=torch.channels_last) if self.channels_last and x.dim() == 4 else x

    def count(self, batch: Batch) -> float:
        """What the summed loss is divided by, once."""
        if batch.weight is None and self.counts_examples:
            return len(batch.target)
        counts: Tensor = self.objective.count(batch.target)
        return float((counts if batch.weight is None else counts * batch.weight).sum())
