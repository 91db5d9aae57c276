"""Sums over chains and automata with their gradients, best paths and composition, beside what else there is.

One process, two threads, all forms of a piece of work taking turns; medians. `loop` is the usual loop over frames in
PyTorch, differentiated by autograd; `closed form` is ours without kernels. What a form gives is compared first.

    python benchmarks/structure.py --json benchmarks/results/structure.json
"""

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from harness import machine, report, table, write_json
from torch import Tensor
from torch.nn import functional

from dovetail.automata import Automaton, Chain, beside, best_paths, ctc_sum, path_sum
from dovetail.automata.builders import ctc, lexicon, ngram
from dovetail.automata.operations import compose
from dovetail.automata.structure import Structure

Work = Callable[[], Any]
Form = dict[str, Work]


def in_torch(work: Work) -> Work:
    """The work without kernels."""

    def other() -> Any:
        os.environ["DOVETAIL_KERNELS"] = "torch"
        try:
            return work()
        finally:
            os.environ["DOVETAIL_KERNELS"] = "auto"

    return other


def crf(examples: int, length: int, labels: int) -> Form:
    """Loss and gradients of a linear-chain conditional random field."""
    torch.manual_seed(0)
    frames = torch.randn(examples, length, labels, requires_grad=True)
    transitions = (0.3 * torch.randn(labels, labels)).requires_grad_()
    ends = [torch.zeros(labels, requires_grad=True) for _ in range(2)]
    tags = torch.randint(labels, (examples, length))
    leaves = [frames, transitions, *ends]

    def slopes(loss: Tensor) -> list[Tensor]:
        return [loss.detach(), *torch.autograd.grad(loss, leaves)]

    def ours() -> list[Tensor]:
        chain = Chain(transitions, *ends)
        return slopes((chain.sum(frames) - chain.score(frames, tags)).sum())

    def loop() -> list[Tensor]:
        row = ends[0] + frames[:, 0]
        for t in range(1, length):
            row = torch.logsumexp(row[:, :, None] + transitions, 1) + frames[:, t]
        chain = Chain(transitions, *ends)
        return slopes((torch.logsumexp(row + ends[1], 1) - chain.score(frames, tags)).sum())

    forms: Form = {"dovetail": ours, "closed form": in_torch(ours), "loop": loop}
    try:
        import torchcrf

        model = torchcrf.CRF(labels, batch_first=True)
        with torch.no_grad():
            model.transitions.copy_(transitions)
            model.start_transitions.copy_(ends[0])
            model.end_transitions.copy_(ends[1])
        peers = [frames, model.transitions, model.start_transitions, model.end_transitions]

        def pytorch_crf() -> list[Tensor]:
            loss = -model(frames, tags, reduction="sum")
            return [loss.detach(), *torch.autograd.grad(loss, peers)]

        forms["pytorch-crf"] = pytorch_crf
    except ImportError:
        report("pytorch-crf is not installed")
    try:
        from torch_struct import LinearChainCRF

        def torch_struct() -> list[Tensor]:
            scores = frames[:, 1:, :, None] + transitions.T + 0 * frames[:, 1:, None, :]
            scores = torch.cat([scores[:, :1] + (frames[:, 0] + ends[0])[:, None, None, :], scores[:, 1:]], 1)
            scores = torch.cat([scores[:, :-1], scores[:, -1:] + ends[1][:, None]], 1)
            total = LinearChainCRF(scores).partition
            return slopes((total - Chain(transitions, *ends).score(frames, tags)).sum())

        if labels < 50:  # it takes labels^3 for each pair of frames
            forms["torch-struct"] = torch_struct
    except ImportError:
        report("torch-struct is not installed")
    return forms


def spelled(examples: int = 32, length: int = 150, columns: int = 80, size: int = 25) -> Form:
    """CTC loss and gradients, log_softmax included."""
    torch.manual_seed(0)
    inputs = torch.randn(examples, length, columns, requires_grad=True)
    targets = torch.randint(1, columns, (examples, size))
    lists, lengths = targets.tolist(), torch.full((examples,), length)
    graphs = beside([ctc(target, 0) for target in lists])

    def slopes(loss: Tensor) -> list[Tensor]:
        return [loss.detach(), *torch.autograd.grad(loss, [inputs])]

    def pytorch() -> list[Tensor]:
        frames, sizes = inputs.log_softmax(-1).transpose(0, 1), torch.full((examples,), size)
        return slopes(functional.ctc_loss(frames, targets, lengths, sizes, reduction="sum"))

    return {
        "dovetail": lambda: slopes(-ctc_sum(inputs.log_softmax(-1), lists).sum()),
        "as automata": lambda: slopes(-path_sum(graphs, inputs.log_softmax(-1)).sum()),
        "automata built anew": lambda: slopes(
            -path_sum(beside([ctc(target, 0) for target in lists]), inputs.log_softmax(-1)).sum()
        ),
        "PyTorch's ctc_loss": pytorch,
    }


def ring(states: int = 2000, arcs: int = 6000, labels: int = 40) -> Structure:
    chance = np.random.default_rng(0)
    source = np.concatenate([np.arange(states), chance.integers(0, states, arcs - states)])
    target = np.concatenate([(np.arange(states) + 1) % states, chance.integers(0, states, arcs - states)])
    return Structure.of(states, source, target, chance.integers(0, labels, arcs))


def automaton(examples: int, length: int = 100, labels: int = 40) -> tuple[Form, Form]:
    """Sum and gradients, and best paths, of 2,000 states and 6,000 arcs that read all examples."""
    structure = ring(labels=labels)
    torch.manual_seed(0)
    frames = torch.randn(examples, length, labels, requires_grad=True)
    weight = torch.randn(structure.arcs, requires_grad=True)
    ends = torch.zeros(structure.states)
    graph = Automaton(structure, weight, ends, ends)
    source, target, label = (torch.from_numpy(p) for p in (structure.source, structure.target, structure.input))

    def slopes(loss: Tensor) -> list[Tensor]:
        return [loss.detach(), *torch.autograd.grad(loss, [frames, weight])]

    def ours() -> list[Tensor]:
        return slopes(path_sum(graph, frames).sum())

    def loop() -> list[Tensor]:
        row = ends.expand(examples, -1)
        index = target.expand(examples, -1)
        for t in range(length):
            ways = row[:, source] + weight + frames[:, t][:, label]
            with torch.no_grad():
                most = torch.full_like(row, -1e30).scatter_reduce(1, index, ways, "amax")
            sums = torch.zeros_like(row).index_add(1, target, (ways - most[:, target]).exp())
            row = most + sums.log()
        return slopes(torch.logsumexp(row, 1).sum())

    def best() -> list[Tensor]:
        return [torch.tensor([path.score for path in best_paths(graph, frames) if path])]

    def best_loop() -> list[Tensor]:
        with torch.no_grad():
            row, index = ends.expand(examples, -1), target.expand(examples, -1)
            for t in range(length):
                ways = row[:, source] + weight + frames[:, t][:, label]
                row = torch.full_like(row, -1e30).scatter_reduce(1, index, ways, "amax")
            return [row.max(1).values]

    sums = {"dovetail": ours, "closed form": in_torch(ours), "loop": loop}
    return sums, {"dovetail": best, "loop, scores alone": best_loop}


def composition() -> Form:
    """A bigram of 41 states and 1,640 arcs with a lexicon over 40 labels."""
    chance = np.random.default_rng(0)
    pairs = {(a, b): float(chance.normal()) for a in range(40) for b in range(40)}
    bigram = ngram({**pairs, **{(b,): 0.0 for b in range(40)}})
    words = [chance.integers(0, 40, chance.integers(2, 7)).tolist() for _ in range(250)]
    tree = lexicon(words)

    def ours() -> list[Tensor]:
        return [torch.tensor([float(compose(bigram, tree).arcs)])]

    forms: Form = {"dovetail": ours, "in Python": in_torch(ours)}
    try:
        import pywrapfst

        from dovetail.automata import write_openfst

        def compiled(one: Automaton) -> Any:
            compiler = pywrapfst.Compiler(arc_type="log")
            compiler.write(write_openfst(one))
            return compiler.compile()

        first, second = compiled(bigram).arcsort("olabel"), compiled(tree)

        def openfst() -> list[Tensor]:
            made = pywrapfst.compose(first, second)
            return [torch.tensor([float(sum(made.num_arcs(state) for state in made.states()))])]

        forms["OpenFst"] = openfst
    except ImportError:
        report("pynini, which brings OpenFst, is not installed")
    return forms


def agree(forms: Form) -> None:
    """Stop where two forms give different figures."""
    first, *others = forms.items()
    right = first[1]()
    for name, work in others:
        for ours, theirs in zip(right, work(), strict=True):
            close = torch.allclose(ours, theirs, atol=1e-2, rtol=2e-3)
            if not close:
                report(f"{name} differs from {first[0]}: {(ours - theirs).abs().max():.2g} at most")


def measure(forms: Form, rounds: int) -> dict[str, float]:
    """The median milliseconds of each form; those that take long have fewer turns."""
    times: dict[str, list[float]] = {name: [] for name in forms}
    for turn in range(rounds):
        for name, work in forms.items():
            if turn > 6 and statistics.median(times[name]) > 0.1:
                continue
            begun = time.perf_counter()
            work()
            times[name].append(time.perf_counter() - begun)
    return {name: 1e3 * statistics.median(values) for name, values in times.items()}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=41)
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    sums, best = automaton(16)
    works = {
        "CRF, 32 x 100 frames, 23 labels": crf(32, 100, 23),
        "CRF, 32 x 40 frames, 200 labels": crf(32, 40, 200),
        "CTC, 32 x 150 frames, 80 columns, 25 labels": spelled(),
        "automaton of 2,000 states, 16 x 100 frames": sums,
        "its best paths": best,
        "automaton of 2,000 states, 1 x 100 frames": automaton(1)[0],
        "bigram composed with a lexicon": composition(),
    }
    results, rows = {}, []
    for name, forms in works.items():
        agree(forms)
        results[name] = measure(forms, options.rounds)
        report(f"{name}: {results[name]}")
        for form, spent in results[name].items():
            ratio = f"{spent / results[name]['dovetail']:.1f}"
            rows.append([name if form == "dovetail" else "", form, f"{spent:.2f}", ratio])
    print(table(["work", "form", "ms", "ratio"], rows))
    if options.json:
        about = machine(torch.get_num_threads())
        write_json(options.json, {"benchmark": "structure", "machine": about, "results": results})
    return 0


if __name__ == "__main__":
    sys.exit(main())
