"""The trainer: the loop from a recipe, its data and a step to the next step, and nothing else."""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..data.source import Source
from ..optim.descent import Descent
from ..optim.levenberg import require_layers
from ..recipe.errors import RunError
from ..recipe.recipe import Recipe
from ..recipe.span import Span
from .across import spread
from .again import Again
from .evaluate import ALONE, evaluate, require_validation
from .feed import Feed
from .hooks import Hooks, Stopped
from .journal import BEST, Journal
from .machine import dtype_of
from .recalibrate import recalibrated
from .replicas import Alone, Shards, copies, require_rows_suffice
from .requests import STOPPING, Requests
from .run import Run
from .state import State, diverged
from .system import Batch, System
from .world import World


class Trainer:
    """Trains the system of a recipe in a run folder, from step 0 or from the newest checkpoint."""

    def __init__(
        self, recipe: Recipe, source: Source, folder: Path, hooks: Hooks | None = None, world: World = ALONE
    ) -> None:
        require_validation(recipe, source.facts)
        self.recipe, self.source, self.folder = recipe, source, folder
        self.hooks = hooks if hooks and world.first else Hooks()
        self.world, self.requests = world, Requests()
        self.journal = Journal(folder, recipe.keep, world.first)
        self.device = world.place(recipe.device)
        self.system = System(recipe, source.facts)
        self.sharded = recipe.shard and world.size > 1
        if not self.sharded:  # else whole on the CPU, until each process takes its rows
            self.system.to(self.device)
        if world.size > 1:
            spread(self.system.network)
        self.feed = Feed(recipe, source, self.device, world)
        self.span = Span.of(self.feed.batches.epoch_steps, recipe.epochs)
        self.system.freeze(recipe.freeze)
        self.replicas = Alone(self.system) if self.sharded else copies(self.system, world)
        buffers = self.system.named_buffers()
        self.descent = Descent(self.replicas.parameters(), recipe.optimizer, self.span, buffers=buffers)
        require_layers(self.descent.optimizer, recipe.optimizer.rule, self.system.network, source.facts.input.form)
        if recipe.shard:
            require_rows_suffice(recipe, self.descent)
        self.state = State(len(self.descent.names))
        self.buffers = list(self.system.network.buffers())  # running averages, taken back where a step is left out
        self.buffers_before = [buffer.clone() for buffer in self.buffers]
        self.t = 0
        self.damaged = ""  # what is wrong with checkpoints newer than the one that was loaded
        self.evaluate_every = self.span.steps(recipe.evaluate)
        self.patience = max(1, self.span.steps(recipe.stop.after)) if recipe.stop else 0
        self.checkpoint_every = self.span.steps(recipe.checkpoint)
        self._shares: dict[float, Tensor] = {}
        self._asked = 0  # the signal that asked the processes, by the step they are at

    # ------------------------------------------------------------------------------------------------ one step

    def step(self) -> None:
        """Gradients of the global batch, summed over micro-batches and processes and divided once; then one update."""
        self._asked = 0
        batches = self.feed.at(self.t)
        count = self._count(batches)
        if self.buffers:
            torch._foreach_copy_(self.buffers_before, self.buffers)
        loss = self.gradients(batches, count)
        self.feed.hear(self.t, batches, self.system.heard)
        self._update(loss, count, batches)
        self.t += 1

    def gradients(self, batches: list[Batch], count: float) -> float:
        """The summed loss of the global batch; its gradients, divided by the count, are the parameters'."""
        share = self._share(count)
        self.system.draws.step = self.t
        self.descent.zero()
        self.system.heard.clear()
        losses: list[Tensor] = []
        for batch in batches:
            self.system.draws.first = batch.first
            total = self.system(batch)
            losses.append(total.detach())
            if len(losses) == len(batches):
                self.replicas.last(losses, self.requests.told())
            total.backward(share)
        loss, *told = self.replicas.collect(self.descent)
        self._asked = self._asked or self.requests.take(told)
        return loss

    def _update(self, loss: float, count: float, batches: list[Batch]) -> None:
        """Move the parameters, or leave the step out where its loss or gradient is not to be trusted."""
        state, settings = self.state, self.recipe.optimizer
        evaluation = Again(self, batches, count, loss) if self.descent.evaluates else None
        if math.isfinite(loss) and self.descent.update(self.t, state.longest(settings.outlier), evaluation):
            state.accept(loss, count, self.descent.norm)
        else:
            state.leave_out(self._suspects())
            if self.buffers:
                torch._foreach_copy_(self.buffers, self.buffers_before)
            if state.in_row >= settings.patience:
                names = [self.descent.names[i] for i in self._suspects()]
                raise RunError(diverged(self.t, loss, self.descent.norm, state, names, self.folder))
        if self.hooks.on_step:
            self.hooks.on_step(self.t, loss / count)

    def _count(self, batches: list[Batch]) -> float:
        """What the summed loss of the step is divided by; asks the other processes only where it must."""
        if self.world.size > 1 and self.system.counts_examples and batches[0].weight is None:
            return self.feed.batches.size(self.t)
        return self.world.sum([sum(map(self.system.count, batches))])[0]

    def _share(self, count: float) -> Tensor:
        """1 / count, where backpropagation begins: the loss is divided once, for all micro-batches alike."""
        if count not in self._shares:
            self._shares = {
                count: torch.full((), 1 / count if count else 0.0, dtype=dtype_of(self.recipe), device=self.device)
            }
        return self._shares[count]

    def _suspects(self) -> list[int]:
        """The parameters whose gradients are not finite, else the one whose gradient is longest."""
        gradients = [p.grad for p in self.descent.parameters]
        squares = self.replicas.total([0.0 if g is None else float(g.double().square().sum()) for g in gradients])
        wrong = [i for i, square in enumerate(squares) if not math.isfinite(square)]
        return wrong or [squares.index(max(squares))]

    # ---------------------------------------------------------------------------------------------- the whole run

    def run(self, show: Callable[[Trainer, dict[str, Any] | None], None] | None = None) -> dict[str, Any]:
        """Train to the end, then write the model and test it; returns the test figures.

        `show` is called after every step, with the new line of metrics where there is one. Raises `Stopped` when a
        signal asked to stop, after saving.
        """
        if self.sharded:
            self._shard()
        if self.t == 0:
            self.save()
        started, first = time.perf_counter(), self.t
        self.system.train()
        with self.requests.heeded():
            while not self.over:
                self.step()
                record = None
                if self.t % self.evaluate_every == 0 or self.over:
                    record = self._evaluate(time.perf_counter() - started, self.t - first)
                if show:
                    show(self, record)
                if self._asked or self.t % self.checkpoint_every == 0 or self.over:
                    self.save()
                if self._asked in STOPPING and not self.over:
                    name = signal.Signals(self._asked).name
                    place = f"step {self.t} of {self.span.total}"
                    message = f"{name}: stopped and saved at {place}. Go on with: dovetail resume {self.folder}"
                    self.world.wait()
                    raise Stopped(message, self._asked)
        return self._finish()

    @property
    def over(self) -> bool:
        """Whether the last step is done, or the run stopped early."""
        return self.t >= self.span.total or bool(self.state.ended)

    def _shard(self) -> None:
        """Let each process keep its rows alone, of the parameters and of what the rule remembers."""
        remembered = self.descent.state()
        self.replicas = shards = Shards(self.system, self.world, self.device)
        self.descent = Descent(
            shards.parameters(),
            self.recipe.optimizer,
            self.span,
            total=shards.total,
            buffers=self.system.named_buffers(),
        )
        self.descent.load(shards.own(remembered))
        self.buffers = list(self.system.network.buffers())
        self.buffers_before = [buffer.clone() for buffer in self.buffers]

    def _finish(self) -> dict[str, Any]:
        """Test the last weights, write the closing line of metrics, and last the model, whose file ends the run."""
        figures: dict[str, Any] = {}
        with self.as_tested():
            best = self.recipe.stop and math.isfinite(self.state.best)  # else none was ever judged to be
            system, weights = self._best() if best else (self.system, self.replicas.weights())
            if self.recipe.reject is not None:
                system.objective.settle(self._judge("validation", system), self.recipe.reject)
                weights = {**weights, "objective.threshold": system.objective.threshold}
            if len(self.source.part("test")):
                statistics = self._judge("test", system)
                figures = {**system.objective.summary(statistics), "count": int(statistics["count"])}
                self.journal.line({"step": self.t, "test": figures})
            self.journal.model(weights)
        self.world.wait()
        return figures

    def _best(self) -> tuple[System, dict[str, Tensor]]:
        """The system that did best on the validation part, and its weights."""
        self.world.wait()  # the first process has written them
        system = Run(self.folder).system(best=True).to(self.device)
        return system, system.state_dict()

    @contextmanager
    def as_tested(self) -> Iterator[None]:
        """Within it, the system is what is tested and kept."""
        with (
            self.descent.evaluated(),
            recalibrated(self.system, self.recipe, self.source, self.feed.prepare, self.world),
        ):
            yield

    def _judge(self, part: str, system: System | None = None) -> dict[str, Tensor]:
        return evaluate(system or self.system, self.source.part(part), self.feed.prepare, self.recipe.batch, self.world)

    def _evaluate(self, seconds: float, steps: int) -> dict[str, Any]:
        record: dict[str, Any] = {
            "step": self.t,
            "epoch": round(self.t / self.span.epoch, 6),
            "rate": self.descent.rate(self.t - 1),
            "train": {"loss": self.state.mean_loss()},
        }
        if self.state.skipped:
            names = [self.descent.names[i] for i in self.state.blame()]
            record["skipped"] = {"steps": int(self.state.skipped), "because_of": names}
        if len(self.source.part("validation")):
            with self.as_tested():
                record["validation"] = self.system.objective.summary(self._judge("validation"))
                value = next(iter(record["validation"].values()))
                if value < self.state.best:
                    self.state.best = value
                    self.journal.model(self.replicas.weights(), BEST)
            if self.recipe.stop:
                self.state.judge(value, self.t, self.recipe.stop.gain, self.patience)
                if self.state.ended and self.t < self.span.total:
                    record["stopped"] = f"no gain since step {int(self.state.marked)}"
        self.journal.line(record)
        self.journal.timing({"step": self.t, "seconds": seconds, "steps_per_second": steps / seconds})
        if self.hooks.on_evaluation:
            self.hooks.on_evaluation(record)
        return record

    # ------------------------------------------------------------------------------------------- saving and going on

    def save(self) -> None:
        """Write a checkpoint of this very step."""
        tensors = {f"system/{name}": tensor for name, tensor in self.replicas.weights().items()}
        tensors |= {f"optimizer/{n}": tensor for n, tensor in self.replicas.moments(self.descent).items()}
        tensors |= {f"state/{name}": tensor for name, tensor in self.state.tensors().items()}
        if self.feed.relevances is not None:
            tensors |= {f"relevance/{name}": tensor for name, tensor in self.feed.relevances.tensors().items()}
        self.journal.checkpoint(self.t, tensors)

    def load(self) -> bool:
        """Go back to the newest checkpoint, whatever number of processes wrote it.

        False where the run was stopped before its first. Raises `RunError` where none of those there are is complete,
        or the newest does not fit the recipe.
        """
        checkpoint = self.journal.newest()
        if checkpoint is None:
            return False
        try:
            self.system.take(checkpoint.part("system"))
            self.descent.load(checkpoint.part("optimizer"))
            self.state.load(checkpoint.part("state"))
            if self.feed.relevances is not None:
                self.feed.relevances.load(checkpoint.part("relevance"))
        except ValueError as error:
            raise RunError(
                f"{self.folder}: its checkpoint of step {checkpoint.step} does not fit its recipe: {error}"
            ) from None
        self.t = checkpoint.step
        self.damaged = "; ".join(checkpoint.damaged)
        return True
