"""The trainer: the loop from a recipe, its data and a step to the next step, and nothing else."""

from __future__ import annotations

import json
import math
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..data.batches import Batches
from ..data.prepare import Prepare
from ..data.source import Examples, Source
from ..optim.descent import Descent
from ..recipe.errors import DovetailError, RunError
from ..recipe.recipe import Recipe
from ..recipe.span import Span
from .checkpoint import Checkpoint, newest_checkpoint, tensor_bytes, write_checkpoint
from .files import append_line, write_atomically
from .machine import dtype_of
from .state import State
from .system import Batch, System

STOPPING = (signal.SIGINT, signal.SIGTERM)  # SIGHUP saves and goes on
MODEL, BEST, METRICS, TIMING = "model.safetensors", "best.safetensors", "metrics.jsonl", "timing.jsonl"


@dataclass(frozen=True)
class Hooks:
    """Functions that observe a run and change nothing: each gets figures, never the tensors.

    `on_step(step, loss)` after every step, `on_evaluation(record)` with every line of metrics.
    """

    on_step: Callable[[int, float], None] | None = None
    on_evaluation: Callable[[dict[str, Any]], None] | None = None


class Stopped(DovetailError):
    """The run was asked to stop; it is saved. `signal` is which signal asked."""

    def __init__(self, message: str, number: int) -> None:
        super().__init__(message)
        self.exit_code = 128 + number


class Trainer:
    """Trains the system of a recipe in a run folder, from step 0 or from the newest checkpoint."""

    def __init__(self, recipe: Recipe, source: Source, folder: Path, hooks: Hooks | None = None) -> None:
        self.recipe, self.source, self.folder, self.hooks = recipe, source, folder, hooks or Hooks()
        self.device = torch.device(recipe.device)
        self.system = System(recipe, source.facts).to(self.device)
        self.prepare = Prepare(source.facts.input, self.device, dtype_of(recipe))
        self.batches = Batches(source.part("train"), recipe.batch, recipe.seed)
        self.span = Span.of(self.batches.epoch_steps, recipe.epochs)
        self.system.freeze(recipe.freeze)
        self.descent = Descent(self.system.named_parameters(), recipe.optimizer, self.span)
        self.state = State(len(self.descent.names))
        self.buffers = list(self.system.network.buffers())  # running averages, taken back where a step is left out
        self._buffers_before = [buffer.clone() for buffer in self.buffers]
        self.t = 0
        self.evaluate_every = self.span.steps(recipe.evaluate)
        self.checkpoint_every = self.span.steps(recipe.checkpoint)
        self._shares: dict[float, Tensor] = {}
        self._asked = 0  # the signal that asked to save, or to save and stop

    # ------------------------------------------------------------------------------------------------ one step

    def step(self) -> None:
        """Gradients of the whole global batch, summed over its micro-batches and divided once; then one update."""
        batches = self.micro_batches()
        count = sum(self.system.count(batch) for batch in batches)
        share = self._share(count)
        self.system.draws.step = self.t
        self.descent.zero()
        if self.buffers:
            torch._foreach_copy_(self._buffers_before, self.buffers)
        loss = 0.0
        for batch in batches:
            self.system.draws.first = batch.first
            total = self.system(batch)
            total.backward(share)
            loss += total.item()
        self._update(loss, count)
        self.t += 1

    def _update(self, loss: float, count: float) -> None:
        """Move the parameters, or leave the step out where its loss or gradient is not to be trusted."""
        state, settings = self.state, self.recipe.optimizer
        if math.isfinite(loss) and self.descent.update(self.t, state.longest(settings.outlier)):
            state.accept(loss, count, self.descent.norm)
        else:
            state.leave_out(self._suspects())
            if self.buffers:
                torch._foreach_copy_(self.buffers, self._buffers_before)
            if state.in_row >= settings.patience:
                raise RunError(self._diverged(loss))
        if self.hooks.on_step:
            self.hooks.on_step(self.t, loss / count)

    def _share(self, count: float) -> Tensor:
        """1 / count, where backpropagation begins: the loss is divided once, for all micro-batches alike."""
        if count not in self._shares:
            self._shares = {
                count: torch.full((), 1 / count if count else 0.0, dtype=dtype_of(self.recipe), device=self.device)
            }
        return self._shares[count]

    def micro_batches(self) -> list[Batch]:
        """The examples of the present step, prepared, in as many parts as the recipe says."""
        raw, target, weight = self.batches.at(self.t)
        target = target.to(self.device, non_blocking=True)
        weight = weight if weight is None else weight.to(self.device, non_blocking=True)
        rows = self.recipe.batch // self.recipe.accumulate
        if len(target) <= rows:
            return [Batch(self.prepare(raw), target, weight)]
        return [
            Batch(
                self.prepare(raw[i : i + rows]),
                target[i : i + rows],
                None if weight is None else weight[i : i + rows],
                i,
            )
            for i in range(0, len(target), rows)
        ]

    def _suspects(self) -> list[int]:
        """The parameters whose gradients are not finite, else the one whose gradient is longest."""
        gradients = [p.grad for p in self.descent.parameters]
        wrong = [i for i, g in enumerate(gradients) if g is not None and not bool(torch.isfinite(g).all())]
        norms = [0.0 if g is None else float(g.double().norm()) for g in gradients]
        return wrong or [norms.index(max(norms))]

    def _diverged(self, loss: float) -> str:
        """Why the run stops, and what to do about it."""
        names = [self.descent.names[i] for i in self._suspects()]
        where = f"{', '.join(names[:4])}{' ...' if len(names) > 4 else ''}"
        if not math.isfinite(loss):
            reason = f"here the loss is {loss}"
        elif not math.isfinite(self.descent.norm):
            reason = f"here the gradient is not finite in {where}"
        else:
            reason = (
                f"here the gradient's norm is {self.descent.norm:.4g} (usual: {self.state.norm:.4g}), most in {where}"
            )
        return (
            f"step {self.t}: {int(self.state.in_row)} steps in a row were left out; {reason}. Nothing of them reached "
            "the weights. Lower the rate or clip the gradient (optimizer.clip=1) in a new run; "
            f"start={self.folder} begins it with the weights of this one's newest checkpoint"
        )

    # ---------------------------------------------------------------------------------------------- the whole run

    def run(self, show: Callable[[Trainer, dict[str, Any] | None], None] | None = None) -> dict[str, Any]:
        """Train to the end, then write the model and test it; returns the test figures.

        `show` is called after every step, with the new line of metrics where there is one. Raises `Stopped` when a
        signal asked to stop, after saving.
        """
        if self.t == 0:
            self.save()
        started, first = time.perf_counter(), self.t
        self.system.train()
        with self._signals():
            while self.t < self.span.total:
                self.step()
                record = None
                if self.t % self.evaluate_every == 0 or self.t == self.span.total:
                    record = self._evaluate(time.perf_counter() - started, self.t - first)
                if show:
                    show(self, record)
                asked, self._asked = self._asked, 0
                if asked or self.t % self.checkpoint_every == 0 or self.t == self.span.total:
                    self.save()
                if asked in STOPPING and self.t < self.span.total:
                    name = signal.Signals(asked).name
                    place = f"step {self.t} of {self.span.total}"
                    message = f"{name}: stopped and saved at {place}. Go on with: dovetail resume {self.folder}"
                    raise Stopped(message, asked)
        return self._finish()

    def _finish(self) -> dict[str, Any]:
        """Test the last weights, write the closing line of metrics, and last the model, whose file ends the run."""
        figures: dict[str, Any] = {}
        if len(self.source.part("test")):
            statistics = evaluate(self.system, self.source.part("test"), self.prepare, self.recipe.batch)
            figures = {**self.system.objective.summary(statistics), "count": int(statistics["count"])}
            self._write_line({"step": self.t, "test": figures})
        write_atomically(self.folder / MODEL, tensor_bytes(self.system.state_dict()))
        return figures

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
            statistics = evaluate(self.system, self.source.part("validation"), self.prepare, self.recipe.batch)
            record["validation"] = self.system.objective.summary(statistics)
            self._keep_best(next(iter(record["validation"].values())))
        self._write_line(record)
        timing = {"step": self.t, "seconds": seconds, "steps_per_second": steps / seconds}
        append_line(self.folder / TIMING, json.dumps(timing))
        if self.hooks.on_evaluation:
            self.hooks.on_evaluation(record)
        return record

    def _keep_best(self, value: float) -> None:
        if value < self.state.best:
            self.state.best = value
            write_atomically(self.folder / BEST, tensor_bytes(self.system.state_dict()))

    def _write_line(self, record: dict[str, Any]) -> None:
        # synced, because a checkpoint says how long the file was: it must not be shorter after a crash
        append_line(self.folder / METRICS, json.dumps(record))

    # ------------------------------------------------------------------------------------------- saving and going on

    def save(self) -> Path:
        """Write a checkpoint of this very step."""
        tensors = {f"system/{name}": tensor for name, tensor in self.system.state_dict().items()}
        tensors |= {f"optimizer/{name}": tensor for name, tensor in self.descent.state().items()}
        tensors |= {f"state/{name}": tensor for name, tensor in self.state.tensors().items()}
        metrics = self.folder / METRICS
        length = metrics.stat().st_size if metrics.exists() else 0
        return write_checkpoint(self.folder / "checkpoints", Checkpoint(self.t, tensors, length), self.recipe.keep)

    def load(self) -> bool:
        """Go back to the newest checkpoint; lines of metrics written after it are taken back.

        False where the run was stopped before its first. Raises `RunError` where none of those there are is complete.
        """
        checkpoint = newest_checkpoint(self.folder / "checkpoints")
        if checkpoint is None:
            return False
        self.system.load_state_dict(checkpoint.part("system"))
        self.descent.load(checkpoint.part("optimizer"))
        self.state.load(checkpoint.part("state"))
        self.t = checkpoint.step
        metrics = self.folder / METRICS
        if metrics.exists():
            with open(metrics, "r+b") as file:
                file.truncate(checkpoint.metrics_bytes)
        return True

    @contextmanager
    def _signals(self) -> Iterator[None]:
        def ask(number: int, _: Any) -> None:
            if self._asked not in STOPPING:
                self._asked = number

        before = {}
        try:
            for number in (*STOPPING, signal.SIGHUP):
                before[number] = signal.signal(number, ask)
        except ValueError:  # not the main thread: signals are the caller's business
            before = {}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def evaluate(system: System, examples: Examples, prepare: Prepare, batch: int) -> dict[str, Tensor]:
    """The objective's statistics over a part of the data, summed."""
    training = system.training
    system.eval()
    sums: dict[str, Tensor] = {}
    with torch.inference_mode():
        for start in range(0, len(examples), 2 * batch):
            indices = torch.arange(start, min(start + 2 * batch, len(examples)))
            raw, target, _ = examples.fetch(indices)
            target = target.to(prepare.device)
            output = system.output(prepare(raw))
            for name, value in system.objective.measure(output, target).items():
                sums[name] = sums[name] + value if name in sums else value
    system.train(training)
    return {name: value.cpu() for name, value in sums.items()}
