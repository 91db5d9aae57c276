"""Automata that are built, against what they should read; PyTorch's CTC; text that comes back; pictures."""

from __future__ import annotations

import itertools
import math
import random
import re
import shutil
from collections.abc import Callable

import pytest
import torch
from automata.enumeration import language, random_automaton
from torch.nn import functional

from dovetail.automata import (
    Automaton,
    Symbols,
    beside,
    best_paths,
    dot,
    path_count,
    path_sum,
    ranked,
    read_openfst,
    svg,
    total,
    write_openfst,
)
from dovetail.automata.builders import ctc, expression, grammar, lexicon, ngram, repeats, segmentation, string, strings
from dovetail.automata.pieces import spellings
from dovetail.automata.structure import Structure
from dovetail.recipe.errors import UsageError

LETTERS = Symbols("abc")


def reads(automaton: Automaton, longest: int, symbols: Symbols = LETTERS) -> set[str]:
    """Every text of at most so many symbols that it reads."""
    found = language(automaton, most=longest, reads=longest)
    return {"".join(symbols.name(label) for label in read) for read, _ in found}


EXPRESSIONS = [
    "a",
    "",
    "ab|c",
    "(ab|c)*",
    "a+b?",
    "[ab]c",
    "[^a]*",
    "a{2}",
    "(a|bc){1,3}",
    ".b.",
    "a*b*c*",
    "(a?b)+c|ab",
    "a**",
    "(a*)*",
    "(a|b?)+",
    "(a?b*)+c",
    "(ab)+",
    "(a+|b)*c",
]


@pytest.mark.parametrize("text", EXPRESSIONS)
def test_an_expression_reads_what_pythons_does(text: str) -> None:
    texts = ["".join(letters) for n in range(6) for letters in itertools.product("abc", repeat=n)]
    automaton = expression(text, LETTERS)
    assert reads(automaton, 5) == {one for one in texts if re.fullmatch(text.replace("**", "*"), one)}
    lengths = torch.arange(6)
    counts = [sum(len(one) == n for one in texts if re.fullmatch(text.replace("**", "*"), one)) for n in range(6)]
    assert path_count(automaton, lengths).tolist() == counts  # each text by one path


WRONG = [
    ("a(b", "'(' is not closed", 1),
    ("ab)", "')' closes nothing", 2),
    ("a[b", "'[' is not closed", 1),
    ("*a", "'*' has nothing before it", 0),
    ("a{x}", "a repetition is {3} or {1,4}", 1),
    ("a{3,1}", "from 3 to 1 is no range", 1),
    ("a{1000000}", "at most 1,000 repetitions can be written out", 1),
    ("ad", "there is no symbol 'd'", 1),
    ("<rule", "'<' is not closed", 0),
    ("<abd>", "there is no symbol 'abd'", 0),
    ("a\\", "is followed by nothing", 1),
]


@pytest.mark.parametrize(("text", "message", "place"), WRONG)
def test_a_wrong_expression_is_pointed_at(text: str, message: str, place: int) -> None:
    with pytest.raises(UsageError, match=re.escape(message)) as caught:
        expression(text, LETTERS)
    shown = str(caught.value).splitlines()
    assert shown[-2:] == [f"    {text}", f"    {' ' * place}^"]


def test_special_symbols_stand_for_themselves_behind_a_backslash_and_longer_ones_in_brackets() -> None:
    symbols = Symbols(["$", ".", "one", "1"])
    assert reads(expression(r"\$<one>\.1?", symbols), 4, symbols) == {"$one.", "$one.1"}


def test_a_grammar_reads_what_its_rules_describe() -> None:
    digits = Symbols("0123456789.,$")
    rules = {
        "amount": r"\$<whole>(\.<digit>{2})?",
        "whole": "<digit>|[1-9]<digit>+|[1-9]<digit>{0,2}(,<digit>{3})+",
        "digit": "[0-9]",
    }
    amounts = grammar(rules, digits)
    pattern = re.compile(r"\$(\d|[1-9]\d+|[1-9]\d{0,2}(,\d{3})+)(\.\d{2})?")
    draw = random.Random(0)
    for _ in range(300):
        text = "$" + "".join(draw.choice("0123456789.,") for _ in range(draw.randint(1, 9)))
        both = best_paths(
            amounts, torch.zeros(1, len(text), 13).scatter(2, torch.tensor([digits.labels(text)])[..., None], 1.0)
        )
        assert (both[0] is not None and both[0].score == len(text)) == bool(pattern.fullmatch(text)), text
    assert float(path_count(amounts, torch.tensor([2]))[0]) == 10


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ({"a": "<b>", "b": "<a>"}, "the rule 'a' calls itself: a -> b -> a"),
        ({"a": "<bb>", "b": "a"}, "rule 'a' calls 'bb'. Did you mean 'b'?"),
        ({"a": "a", "b": "b"}, "the rule 'b' is never called, from 'a' on"),
        ({"a": "<b>", "b": "(a"}, "rule 'b': expression: '(' is not closed"),
        ({}, "has no rules"),
    ],
)
def test_a_wrong_grammar_is_told(rules: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError, match=re.escape(message)):
        grammar(rules, LETTERS)


def test_a_lexicon_reads_its_words_and_writes_their_numbers() -> None:
    words = ["ab", "abc", "b", "ab"]
    tree = lexicon([LETTERS.labels(word) for word in words], scores=[0.1, 0.2, 0.3, 0.4])
    found = {(tuple(path.labels), path.outputs[0]): path.score for path in ranked(tree, 9)[0]}
    assert found == {
        (tuple(LETTERS.labels(word)), number): pytest.approx(0.1 * (number + 1)) for number, word in enumerate(words)
    }
    assert tree.states == 2 + 4


def test_an_ngram_table_backs_off() -> None:
    scores = {(0,): -1.0, (1,): -2.0, (2,): -3.0, (0, 1): -0.1, (3, 0): -0.2, (1, 4): -0.3, (4,): -5.0}
    backoff = {(0,): -0.5, (1,): -0.25, (3,): -0.7}
    table = ngram(scores, backoff, start=3, end=4)
    cases = {(0, 1): -0.2 - 0.1 - 0.3, (2,): -0.7 - 3.0 - 5.0, (0, 0): -0.2 - 0.5 - 1.0 - 0.5 - 5.0, (): -0.7 - 5.0}
    for labels, score in cases.items():
        frames = torch.full((1, len(labels), 3), -math.inf)
        for t, label in enumerate(labels):
            frames[0, t, label] = 0.0
        assert float(path_sum(table, frames)[0]) == pytest.approx(score)
    rough = ngram(scores, backoff, start=3, end=4, exact=False)
    assert float(path_sum(rough, torch.zeros(1, 2, 3))[0]) >= float(path_sum(table, torch.zeros(1, 2, 3))[0])
    free = ngram({(0,): math.log(0.5), (1,): math.log(0.5)})
    assert float(path_sum(free, torch.zeros(1, 7, 2))[0]) == pytest.approx(0.0, abs=1e-6)


def test_a_segmentation_has_every_cutting() -> None:
    lattice = segmentation(cuts=8, most=3)
    cuttings = sum(
        1 for n in range(8) for cuts in itertools.combinations(range(1, 7), n) if gaps_within((0, *cuts, 7), 3)
    )
    assert round(float(total(lattice)[0].exp())) == cuttings
    assert lattice.arcs == 7 + 6 + 5


def gaps_within(cuts: tuple[int, ...], most: int) -> bool:
    return all(b - a <= most for a, b in itertools.pairwise(cuts))


TARGETS = [[1, 1, 2], [], [3, 2, 1, 2], [2, 2, 2], [1]]


@pytest.mark.parametrize("kernels", ["c", "torch"])
def test_ctc_is_pytorchs(kernels: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOVETAIL_KERNELS", kernels)
    torch.manual_seed(0)
    inputs = torch.randn(5, 9, 4, requires_grad=True)
    lengths = torch.tensor([9, 4, 7, 5, 1])
    frames = inputs.log_softmax(-1)
    ours = -path_sum(beside([ctc(target, blank=0) for target in TARGETS]), frames, lengths)
    flat = torch.tensor([label for target in TARGETS for label in target])
    sizes = torch.tensor([len(target) for target in TARGETS])
    theirs = functional.ctc_loss(frames.transpose(0, 1), flat, lengths, sizes, reduction="none")
    torch.testing.assert_close(ours, theirs)
    slopes = [torch.autograd.grad(loss.sum(), inputs, retain_graph=True)[0] for loss in (ours, theirs)]
    torch.testing.assert_close(*slopes, atol=1e-5, rtol=1e-4)
    assert path_sum(ctc([1, 1], blank=0), frames[:1, :2]).tolist() == [-math.inf]  # too short for a blank between


def test_repeats_are_all_ways_to_stretch_a_string() -> None:
    assert path_count(repeats([0, 1, 2]), torch.tensor([2, 3, 4, 9])).tolist() == [0, 1, 3, math.comb(8, 2)]
    assert ranked(string([2, 0, 2]))[0][0].labels == [2, 0, 2]


def test_strings_side_by_side_are_each_its_own() -> None:
    texts = [[2, 0, 2], [], [1]]
    assert [paths[0].labels for paths in ranked(strings(texts))] == texts
    assert strings([]).structure.count == 0


def test_a_lattice_is_named_alike_by_languages_side_by_side_and_alone() -> None:
    """Lines of different cuts and languages of different sizes, whose arcs lie in another order than the lines."""
    cuts = torch.tensor([[0, 1], [1, 2], [0, 2], [0, 1], [0, 1], [1, 2], [2, 3], [0, 2]])
    pieces, ends = torch.tensor([3, 1, 4]), torch.tensor([2, 1, 3])
    languages = [expression("ab|b", LETTERS), string([2]), expression("c*", LETTERS)]
    scores = torch.randn(8, 3, generator=torch.Generator().manual_seed(0))
    together = spellings(cuts, pieces, ends, backwards(beside(languages))).total(scores)
    parts = zip(torch.split(scores, pieces.tolist()), torch.split(cuts, pieces.tolist()), strict=True)
    for n, (own_scores, own_cuts) in enumerate(parts):
        alone = spellings(own_cuts, pieces[n : n + 1], ends[n : n + 1], languages[n]).total(own_scores)
        torch.testing.assert_close(together[n], alone[0])
    assert together.isfinite().all()


def backwards(automaton: Automaton) -> Automaton:
    """The same with its arcs in the opposite order."""
    given = automaton.structure
    turned = (part[::-1].copy() for part in (given.source, given.target, given.input, given.output))
    return Automaton(
        Structure(given.states, *turned, given.firsts), automaton.weight.flip(0), automaton.start, automaton.final
    )


@pytest.mark.parametrize("seed", range(40))
def test_text_comes_back(seed: int) -> None:
    automaton = random_automaton(random.Random(seed))
    back = read_openfst(write_openfst(automaton)).to(torch.float64)
    ours, other = language(automaton, most=4), language(back, most=5)
    for key, score in ours.items():
        assert other[key] >= score - 1e-6
    frames = torch.randn(2, 3, 3, dtype=torch.float64)
    torch.testing.assert_close(path_sum(back, frames), path_sum(automaton, frames), atol=1e-6, rtol=1e-6)
    names = Symbols("xyz")
    again = read_openfst(write_openfst(automaton, names, names), names, names).to(torch.float64)
    torch.testing.assert_close(path_sum(again, frames), path_sum(automaton, frames), atol=1e-6, rtol=1e-6)


def test_openfsts_first_example_is_read() -> None:
    text = "0 1 a x .5\n0 1 b y 1.5\n1 2 c z 2.5\n2 3.5\n"
    automaton = read_openfst(text, LETTERS, Symbols("xyz"))
    paths = ranked(automaton, 2)[0]
    assert [(path.labels, path.outputs, path.score) for path in paths] == [
        ([0, 2], [0, 2], pytest.approx(-6.5)),
        ([1, 2], [1, 2], pytest.approx(-7.5)),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0 1 a\n", "line 1: an arc has 4 or 5 words"),
        ("0 1 1 1\n1 x\n", "line 2: could not convert string to float: 'x'"),
        ("0 1 q a\n", "line 1: there is no symbol 'q'"),
    ],
)
def test_wrong_text_is_told_with_its_line(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=re.escape(message)):
        read_openfst(text, LETTERS if "q" in text else None, LETTERS if "q" in text else None)


def test_pictures_show_arcs_ends_paths_and_shares() -> None:
    automaton = Automaton.of(3, [(0, 1, 0, 1, 0.5), (1, 2, -1)], final={2: -1.0})
    source = dot(automaton, LETTERS, LETTERS, path=[1], shares=torch.tensor([1.0, 0.0]))
    assert '0 -> 1 [label="a:b/0.5", penwidth=4.20]' in source
    assert '1 -> 2 [label="ε", color=red, penwidth=0.20]' in source
    assert '2 [label="2/-1", shape=doublecircle]' in source
    with pytest.raises(UsageError, match="3 states are no picture; most=3 draws them anyway"):
        dot(automaton, most=2)
    draw: Callable[[], str] = lambda: svg(source)  # noqa: E731
    if shutil.which("dot"):
        assert "<svg" in draw()
    else:
        with pytest.raises(UsageError, match="pictures need Graphviz"):
            draw()


def test_scores_that_are_tensors_keep_their_gradients() -> None:
    learned = torch.tensor([0.5, -1.0], requires_grad=True)
    arc = Automaton.of(2, [(0, 1, 0, learned[0]), (0, 1, 1, 0.0)], final=1)
    words = lexicon([[0], [1]], scores=learned)
    pairs = ngram({(0,): learned[0], (1,): learned[1]}, end=1)
    for automaton, length in ((arc, 1), (words, 1), (pairs, 2)):
        (slope,) = torch.autograd.grad(path_sum(automaton, torch.zeros(1, length, 2)).sum(), learned)
        assert float(slope.abs().sum()) > 0


def test_texts_are_no_labels_and_labels_without_a_name_are_told() -> None:
    with pytest.raises(UsageError, match=re.escape("whole numbers, not 'c'; Symbols.labels gives those of a text")):
        lexicon(["cat"])  # type: ignore[list-item]
    for label in (-1, 3):
        with pytest.raises(UsageError, match=f"no symbol of label {label}: they go from 0 to 2"):
            LETTERS.name(label)
