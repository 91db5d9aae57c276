"""Operations against what they mean for everything that is read and written, and gradients through them."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import pytest
import torch
from automata.enumeration import Language, language, random_lattice

from dovetail.automata import EPSILON, Automaton, Symbols, beside, path_count, read_openfst, total, write_openfst
from dovetail.automata.builders import grammar, lexicon
from dovetail.automata.operations import (
    closure,
    compose,
    concat,
    determinize,
    invert,
    minimize,
    project,
    relabel,
    remove_epsilon,
    reverse,
    trim,
    union,
)
from dovetail.automata.operations.minimize import push
from dovetail.recipe.errors import UsageError

SEEDS = range(60)


def two(seed: int) -> tuple[Automaton, Automaton]:
    draw = random.Random(seed)
    return random_lattice(draw), random_lattice(draw, states=4, arcs=6)


def sums(pairs: list[tuple[tuple[tuple[int, ...], tuple[int, ...]], float]]) -> Language:
    grouped: dict[tuple[tuple[int, ...], tuple[int, ...]], list[float]] = {}
    for key, score in pairs:
        grouped.setdefault(key, []).append(score)
    return {key: math.log(math.fsum(map(math.exp, scores))) for key, scores in grouped.items()}


def same(ours: Language, right: Language) -> None:
    assert ours.keys() == right.keys()
    for key, score in right.items():
        assert ours[key] == pytest.approx(score, abs=1e-9), key


@pytest.mark.parametrize("seed", SEEDS)
def test_union_concat_and_reversal(seed: int) -> None:
    a, b = two(seed)
    first, second = language(a), language(b)
    same(language(union(a, b)), sums([*first.items(), *second.items()]))
    behind = [((x + u, y + v), s + t) for (x, y), s in first.items() for (u, v), t in second.items()]
    same(language(concat(a, b)), sums(behind))
    same(language(reverse(a)), {(x[::-1], y[::-1]): score for (x, y), score in first.items()})


@pytest.mark.parametrize("seed", SEEDS)
def test_labels_exchanged_projected_and_renamed(seed: int) -> None:
    a, _ = two(seed)
    words = language(a)
    same(language(invert(a)), {(y, x): score for (x, y), score in words.items()})
    same(language(project(a)), sums([((x, x), score) for (x, _), score in words.items()]))
    same(language(project(a, "output")), sums([((y, y), score) for (_, y), score in words.items()]))
    renamed = sums([((tuple(7 if one == 0 else one for one in x), y), score) for (x, y), score in words.items()])
    same(language(relabel(a, inputs={0: 7})), renamed)


@pytest.mark.parametrize("kernels", ["c", "torch"])
@pytest.mark.parametrize("seed", SEEDS)
def test_composition_matches_what_is_written_with_what_is_read(
    seed: int, kernels: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOVETAIL_KERNELS", kernels)
    a, b = two(seed)
    pairs = [((x, z), s + t) for (x, y), s in language(a).items() for (u, z), t in language(b).items() if y == u]
    both = compose(a, b)
    same(language(both, most=20), sums(pairs))
    shared = [
        ((x, x), s + t)
        for (x, _), s in language(project(a)).items()
        for (u, _), t in language(project(b)).items()
        if x == u
    ]
    same(language(compose(project(a), project(b)), most=20), sums(shared))


@pytest.mark.parametrize("seed", SEEDS)
def test_composition_is_associative(seed: int) -> None:
    a, b = two(seed)
    c = random_lattice(random.Random(seed + 1000), states=4, arcs=6)
    same(language(compose(compose(a, b), c), most=30), language(compose(a, compose(b, c)), most=30))


@pytest.mark.parametrize("seed", SEEDS)
def test_trimming_epsilon_removal_and_pushing_keep_every_score(seed: int) -> None:
    a, _ = two(seed)
    words = language(a)
    trimmed, free = trim(a), remove_epsilon(a)
    same(language(trimmed), words)
    same(language(free), words)
    same(language(push(a)), words)
    assert not ((free.structure.input == EPSILON) & (free.structure.output == EPSILON)).any()
    useful = {state for path in (trimmed.structure.source, trimmed.structure.target) for state in path.tolist()}
    assert trimmed.arcs == 0 or useful == set(range(trimmed.states)) or trimmed.states == len(useful) + 1


@pytest.mark.parametrize("semiring", ["log", "max"])
@pytest.mark.parametrize("seed", SEEDS)
def test_determinization_and_minimization_keep_every_score(seed: int, semiring: str) -> None:
    a = remove_epsilon(project(two(seed)[0]))
    best = semiring == "max"
    words = language(a, best=best)
    certain = determinize(a, semiring)  # type: ignore[arg-type]
    same(language(certain, best=best), words)
    labels = list(zip(certain.structure.source.tolist(), certain.structure.input.tolist(), strict=True))
    assert len(set(labels)) == len(labels)
    small = minimize(certain)
    same(language(small, best=best), words)
    assert small.states <= trim(certain).states
    assert minimize(small).states == small.states


@pytest.mark.parametrize("seed", range(30))
def test_closure_is_any_number_of_paths(seed: int) -> None:
    a = remove_epsilon(project(two(seed)[0]))
    words = {x: score for (x, _), score in language(a).items() if x}
    if not words or ((), ()) in language(a):
        return
    expected: dict[tuple[int, ...], list[float]] = {(): [0.0]}
    front = {(): 0.0}
    for _ in range(4):
        longer: dict[tuple[int, ...], float] = {}
        for x, s in front.items():
            for u, t in words.items():
                if len(x + u) <= 4:
                    longer[x + u] = math.log(math.exp(longer.get(x + u, -math.inf)) + math.exp(s + t))
        for x, score in longer.items():
            expected.setdefault(x, []).append(score)
        front = longer
    right = {(x, x): math.log(sum(map(math.exp, scores))) for x, scores in expected.items()}
    same(language(closure(a), most=12, reads=4), right)


OPERATIONS: dict[str, Callable[[Automaton, Automaton], Automaton]] = {
    "union": union,
    "concat": concat,
    "compose": compose,
    "reverse": lambda a, b: reverse(a),
    "trim": lambda a, b: trim(a),
    "remove_epsilon": lambda a, b: remove_epsilon(a),
    "determinize": lambda a, b: determinize(remove_epsilon(project(a))),
    "minimize": lambda a, b: minimize(determinize(remove_epsilon(project(a)))),
}


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("seed", range(8))
def test_gradients_reach_all_weights_that_went_in(seed: int, name: str) -> None:
    a, b = two(seed)
    leaves = [one.weight.clone().requires_grad_() for one in (a, b)]

    def summed(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        sums = total(OPERATIONS[name](a.reweighted(first), b.reweighted(second)))
        return torch.where(sums > -math.inf, sums, 0.0)

    assert torch.autograd.gradcheck(summed, leaves)


def test_a_lexicon_becomes_a_trie_and_then_shares_its_endings() -> None:
    words = ["tap", "taps", "top", "tops"]
    automata = [Automaton.of(len(w) + 1, [(i, i + 1, ord(c)) for i, c in enumerate(w)], final=len(w)) for w in words]
    trie = determinize(union(*automata))
    assert trie.states == 8
    small = minimize(trie)
    assert small.states == 5
    assert path_count(small, torch.tensor([3, 4])).tolist() == [2, 2]


ONE = Automaton.of(2, [(0, 1, 0)], final=1)
WRONG: list[tuple[Callable[[], object], str]] = [
    (lambda: determinize(Automaton.of(2, [(0, 1, -1)], final=1)), "take remove_epsilon first"),
    (lambda: minimize(Automaton.of(3, [(0, 1, 0), (0, 2, 0)], final=[1, 2])), "take determinize first"),
    (lambda: remove_epsilon(Automaton.of(2, [(0, 1, -1), (1, 0, -1)], final=1)), "form a cycle: 0 -> 1 -> 0"),
    (lambda: total(Automaton.of(2, [(0, 1, 0), (1, 0, 0)], final=1)), "^arcs form a cycle: 0 -> 1 -> 0"),
    (
        lambda: determinize(
            Automaton.of(3, [(0, 1, 0), (0, 2, 0), (1, 1, 0, 1.0), (2, 2, 0, 2.0)], final=[1, 2]), "max", most=50
        ),
        "has not ended after 50 states, and may never",
    ),
    (
        lambda: determinize(
            Automaton.of(3, [(0, 1, 0), (0, 2, 0), (1, 1, 0, 1.0), (2, 2, 0, 2.0)], final=[1, 2]), "max"
        ),
        "has not ended after 1,000 states, and may never",
    ),
    (lambda: lexicon([[1], [2]], [0.0]), "lexicon: 2 words and 1 scores"),
    (lambda: grammar("[01]+", Symbols("01")), "takes rules by name, .*, not '.01.+'"),  # type: ignore[arg-type]
    (lambda: read_openfst("lines.txt"), "line 1: states are numbers .and it is the text that is read, not a file's"),
    (
        lambda: compose(beside([ONE, ONE]), ONE),
        "compose takes one automaton with a score for each arc",
    ),
    (lambda: union(ONE, beside([ONE, ONE])), "union takes one automaton"),
    (lambda: write_openfst(beside([ONE, ONE])), "write_openfst takes one automaton"),
    (lambda: closure(ONE.reweighted(torch.zeros(3, 1))), "closure takes one automaton"),
    (lambda: concat(), "concat takes one automaton at least"),
    (lambda: project(ONE, "out"), "side is 'input' or 'output', not 'out'"),  # type: ignore[arg-type]
    (lambda: determinize(ONE, "min"), "semiring is log or max, not 'min'"),  # type: ignore[arg-type]
    (lambda: push(Automaton.of(1, [(0, 0, 0, 1.0)], final=0)), "a cycle has a positive score"),
]


@pytest.mark.parametrize(("work", "message"), WRONG, ids=[message for _, message in WRONG])
def test_what_has_no_end_is_refused(work: Callable[[], object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        work()
