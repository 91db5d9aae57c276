"""Every objective on sequences against every property, and against sums over everything there is."""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import dovetail as dt
from dovetail.objectives import Objective
from dovetail.objectives.make import make_objective
from dovetail.recipe.check import check
from dovetail.recipe.errors import RecipeError
from dovetail.recipe.facts import Target
from dovetail.recipe.language import plain, read_nodes, write
from dovetail.recipe.sequences import Lattice, Sequences, cut
from dovetail.recipe.spec import ObjectiveSpec, Spec

TAGS = Target("tags", 3, ["B-X", "I-X", "O"], [5, 6, 7], lexicon=[[0, 1], [2, 0], [0, 1, 2, 2], [2, 2, 2, 0], [1], [0]])
TEXT = Target("string", 2, ["a", "b"], [3, 4])
LENGTHS = torch.tensor([2, 4, 1])

SETTINGS: list[tuple[Spec, Target]] = [
    (dt.softmax(), TAGS),
    (dt.hinge(), TAGS),
    (dt.crf(), TAGS),
    (dt.crf(forbid=True), TAGS),
    (dt.crf(order=2), TAGS),
    (dt.crf(order=2, forbid=True), TAGS),
    (dt.crf(lexicon=True), TAGS),
    (dt.crf(order=2, lexicon=True), TAGS),
    (dt.path_margin(), TAGS),
    (dt.path_margin(0.5, order=2, forbid=True), TAGS),
    (dt.semi_crf(longest=3), TAGS),
    (dt.semi_crf(longest=2), TAGS),
    (dt.ctc(), TEXT),
    (dt.automaton(), TEXT),
    (dt.automaton(grammar={"all": "a<b>*", "b": "b|ab"}), TEXT),
    (dt.automaton(lexicon=["a", "ab", "bab"]), TEXT),
    (dt.automaton(transitions=True), TEXT),
    (dt.automaton(grammar={"all": "a<b>*", "b": "b|ab"}, transitions=True), TEXT),
    (dt.automaton(lexicon=["a", "ab", "bab"], transitions=True), TEXT),
    (dt.automaton(blank=False), TEXT),
    (dt.automaton(blank=False, transitions=True), TEXT),
    (dt.automaton(grammar={"all": "a<b>*", "b": "b|ab"}, blank=False), TEXT),
]
every = pytest.mark.parametrize(("spec", "data"), SETTINGS, ids=[repr(spec) for spec, _ in SETTINGS])
pieces = pytest.mark.parametrize("spec", [spec for spec, data in SETTINGS if data is TEXT], ids=repr)


def made(spec: Spec, data: Target) -> Objective:
    objective: Objective = make_objective(spec, data).double()
    g = torch.Generator().manual_seed(5)
    for parameter in objective.parameters():
        nn.init.normal_(parameter, generator=g)
    return objective


def output_of(width: int) -> Sequences:
    g = torch.Generator().manual_seed(1)
    return Sequences(torch.randn(7, width, generator=g, dtype=torch.float64) * 2, LENGTHS)


def lattice_of(width: int) -> Lattice:
    """Three lines of 2, 3 and 1 stretches, all pieces of up to two."""
    cuts = [[0, 1], [0, 2], [1, 2], [0, 1], [0, 2], [1, 2], [1, 3], [2, 3], [0, 1]]
    g = torch.Generator().manual_seed(2)
    values = torch.randn(9, width, generator=g, dtype=torch.float64)
    ends, both = torch.tensor([2, 3, 1]), torch.tensor(cuts)
    return Lattice(values, torch.tensor([3, 5, 1]), cuts=both, columns=4 * both, ends=ends)


def target_of(data: Target) -> Sequences:
    if data.form == "tags":
        return Sequences(torch.tensor([0, 1, 0, 1, 2, 2, 0]), LENGTHS)
    return Sequences(torch.tensor([[0, 0, 3], [0, 3, 5], [1, 5, 9], [0, 0, 2]]), torch.tensor([1, 2, 1]))


def test_every_objective_that_sees_time_has_a_row() -> None:
    from dovetail.recipe import objective as kind

    rows = {spec.name for spec, _ in SETTINGS} - {"softmax", "hinge"}
    assert {part.name for part in kind if part.sees_time} == rows | {"ranking"}  # which has a test of its own


@every
def test_one_loss_and_one_count_an_example(spec: Spec, data: Target) -> None:
    objective = made(spec, data)
    output, target = output_of(objective.width or 1), target_of(data)
    assert objective.loss(output, target).shape == (3,)
    assert objective.count(target).tolist() == ([2, 4, 1] if data is TAGS else [1, 1, 1])
    assert objective.fits(output.values.shape)
    assert not objective.fits(torch.Size((7, 99)))


@every
def test_gradients_match_finite_differences(spec: Spec, data: Target) -> None:
    objective = made(spec, data)
    output, target = output_of(objective.width or 1), target_of(data)
    names = [name for name, _ in objective.named_parameters()]

    def f(values: Tensor, *parameters: Tensor) -> Tensor:
        own = dict(zip(names, parameters, strict=True))
        return torch.func.functional_call(_Loss(objective), {f"objective.{n}": p for n, p in own.items()},
                                          (output.having(values), target))  # fmt: skip

    leaves = [output.values, *(p.detach() for p in objective.parameters())]
    assert torch.autograd.gradcheck(f, [leaf.clone().requires_grad_() for leaf in leaves])


class _Loss(nn.Module):
    def __init__(self, objective: Objective) -> None:
        super().__init__()
        self.objective = objective

    def forward(self, output: Any, target: Any) -> Tensor:
        return self.objective.loss(output, target)


def require_that_a_batch_is_its_examples(objective: Objective, output: Any, target: Any) -> None:
    together, answers = objective.loss(output, target), objective.describe(output)
    parts = [slice(n, n + 1) for n in range(3)]
    alone = torch.cat([objective.loss(cut(output, part), cut(target, part)) for part in parts])
    torch.testing.assert_close(together, alone)
    assert [str(one)[:20] for one in answers] == [str(objective.describe(cut(output, p))[0])[:20] for p in parts]


@every
def test_a_batch_is_its_examples(spec: Spec, data: Target) -> None:
    objective = made(spec, data)
    require_that_a_batch_is_its_examples(objective, output_of(objective.width or 1), target_of(data))


@every
def test_statistics_add_up(spec: Spec, data: Target) -> None:
    objective = made(spec, data)
    output, target = output_of(objective.width or 1), target_of(data)
    whole = objective.measure(output, target)
    first, rest = (objective.measure(cut(output, s), cut(target, s)) for s in (slice(0, 1), slice(1, 3)))
    for name, value in whole.items():
        assert value.dtype == torch.float64
        torch.testing.assert_close(first[name] + rest[name], value)
    assert all(isinstance(figure, float) for figure in objective.summary(whole).values())
    assert isinstance(objective.details(whole), dict)


@every
def test_half_precision_outputs_are_judged_in_float32(spec: Spec, data: Target) -> None:
    objective = make_objective(spec, data)
    output = output_of(objective.width)
    assert objective.loss(output.having(output.values.bfloat16()), target_of(data)).dtype == torch.float32


@every
def test_round_trips_through_yaml(spec: Spec, data: Target) -> None:
    node = read_nodes(write({"objective": plain(spec, True)}), "f").value["objective"]
    assert check(ObjectiveSpec, node, "objective") == spec


def taggings(length: int) -> list[tuple[int, ...]]:
    return list(itertools.product(range(3), repeat=length))


@pytest.mark.parametrize("spec", [s for s, data in SETTINGS if s.name == "crf"], ids=repr)
@pytest.mark.parametrize("n", [0, 1, 2])
def test_probabilities_of_all_taggings_sum_to_one_and_the_largest_is_decided(spec: Spec, n: int) -> None:
    objective = made(spec, TAGS)
    output = cut(output_of(3), slice(n, n + 1))
    ways = taggings(int(LENGTHS[n]))
    if spec.options["lexicon"]:
        ways = [way for way in ways if list(way) in TAGS.lexicon]
    repeated = Sequences(output.values.repeat(len(ways), 1), LENGTHS[n].repeat(len(ways)))
    likely = (-objective.loss(repeated, Sequences(torch.tensor(ways).reshape(-1), repeated.lengths))).detach().exp()
    torch.testing.assert_close(likely.sum(), torch.tensor(1.0, dtype=torch.float64))
    best = int(likely.argmax())
    assert tuple(objective.decode(output).values.tolist()) == ways[best]
    answer = objective.describe(output)[0]
    assert answer["tags"] == [TAGS.names[tag] for tag in ways[best]]
    assert answer["probability"] == pytest.approx(float(likely[best]))
    if spec.options["forbid"]:
        wrong = [way for way in ways if way[0] == 1 or (2, 1) in itertools.pairwise(way)]
        assert all(float(likely[ways.index(way)]) == 0 for way in wrong)


def texts(longest: int) -> list[list[int]]:
    return [list(text) for length in range(longest + 1) for text in itertools.product(range(2), repeat=length)]


def allowed(spec: Spec, text: list[int]) -> bool:
    import re

    word = "".join("ab"[label] for label in text)
    if spec.options.get("grammar"):
        return bool(re.fullmatch("a(b|ab)*", word))
    return word in spec.options["lexicon"] if spec.options.get("lexicon") else True


@pieces
@pytest.mark.parametrize("n", [0, 1, 2])
@pytest.mark.parametrize("form", ["frames", "pieces"])
def test_probabilities_of_all_strings_sum_to_one(spec: Spec, form: str, n: int) -> None:
    objective: Any = made(spec, TEXT)
    output = cut((output_of if form == "frames" else lattice_of)(objective.width), slice(n, n + 1))
    likely = [float(objective.log_likely(output, [text]).detach().exp()) for text in texts(4)]
    told = [p for p, text in zip(likely, texts(4), strict=True) if allowed(spec, text)]
    assert sum(told) == pytest.approx(1)
    assert sum(likely) == pytest.approx(1)
    found = objective.decode(output)[0]
    assert allowed(spec, found) or not found


@pieces
def test_pieces_of_a_batch_are_those_of_its_lines(spec: Spec) -> None:
    objective = made(spec, TEXT)
    require_that_a_batch_is_its_examples(objective, lattice_of(objective.width or 1), target_of(TEXT))


@pieces
def test_gradients_to_pieces_match_finite_differences(spec: Spec) -> None:
    objective, target = made(spec, TEXT), target_of(TEXT)
    lattice = lattice_of(objective.width or 1)
    assert torch.autograd.gradcheck(
        lambda values: objective.loss(lattice.having(values), target), lattice.values.requires_grad_()
    )


def test_a_path_of_pieces_is_scored_by_hand() -> None:
    """Two stretches: a, ab, and one piece that is both; free strings."""
    objective: Any = made(dt.automaton(), TEXT)
    lattice = cut(lattice_of(3), slice(0, 1))
    s = lattice.values
    ways = {(0,): [s[1, 0]], (1,): [s[1, 1]]}
    ways |= {(a, b): [s[0, a] + s[2, b]] for a in range(2) for b in range(2)}
    total = torch.stack([score for scores in ways.values() for score in scores]).logsumexp(0)
    for text, (score,) in ways.items():
        torch.testing.assert_close(objective.log_likely(lattice, [text])[0], score - total)


def test_labels_without_blanks_and_what_follows_what_by_hand() -> None:
    """Two frames of a segmentation criterion: each begins a label, with its score behind the last, or repeats it."""
    objective: Any = made(dt.automaton(blank=False, transitions=True), TEXT)
    s = cut(output_of(2), slice(0, 1)).values
    arcs = objective.language.automaton.structure
    places = zip(arcs.source.tolist(), arcs.input.tolist(), strict=True)
    follow = dict(zip(places, objective.language.scores.detach(), strict=True))  # state 0 begins, 1 + k is behind k
    ways = {(k,): s[0, k] + s[1, k] + follow[0, k] for k in range(2)}
    ways |= {(k, j): s[0, k] + s[1, j] + follow[0, k] + follow[1 + k, j] for k in range(2) for j in range(2)}
    total = torch.stack(list(ways.values())).logsumexp(0)
    output = Sequences(s, torch.tensor([2]))
    for text, score in ways.items():
        torch.testing.assert_close(objective.log_likely(output, [text]).detach()[0], score - total)


def test_a_string_that_no_path_spells_teaches_nothing_and_is_told() -> None:
    objective = made(dt.ctc(), TEXT)
    output = Sequences(output_of(3).values.requires_grad_(), LENGTHS)
    target = Sequences(torch.tensor([0, 0, 0, 1, 1]), torch.tensor([1, 2, 2]))  # bb does not go into one frame
    loss = objective.loss(output, target)
    loss.sum().backward()
    assert loss[2] == 0
    assert output.values.grad is not None
    assert output.values.grad[-1].tolist() == [0, 0, 0]
    assert objective.summary(objective.measure(output, target))["unspelled"] == pytest.approx(1 / 3)


@pytest.mark.parametrize("form", ["frames", "pieces"])
def test_a_grammar_that_reads_nothing_of_an_example_spells_nothing(form: str) -> None:
    """Seven letters go neither into four frames nor into three stretches: there is no path at all."""
    objective: Any = made(dt.automaton(grammar={"all": "a{7}"}, transitions=True), TEXT)
    output = (output_of if form == "frames" else lattice_of)(3)
    values = output.values.requires_grad_()
    assert objective.log_likely(output.having(values), [[0] * 7] * 3).tolist() == 3 * [float("-inf")]
    loss = objective.loss(output.having(values), target_of(TEXT))
    loss.sum().backward()
    assert loss.tolist() == [0, 0, 0]
    assert values.grad is not None
    assert not values.grad.any()
    assert not objective.language.scores.grad.any()
    assert objective.summary(objective.measure(output, target_of(TEXT)))["unspelled"] == 1


def test_ctc_is_pytorchs() -> None:
    objective, output, target = made(dt.ctc(), TEXT), output_of(3), target_of(TEXT)
    frames = output.padded().log_softmax(-1).transpose(0, 1)
    expected = nn.functional.ctc_loss(
        frames, target.values[:, 0].contiguous(), LENGTHS, target.lengths, blank=2, reduction="none", zero_infinity=True
    )
    torch.testing.assert_close(objective.loss(output, target), expected)


def test_words_that_are_not_in_the_lexicon_teach_nothing() -> None:
    objective = made(dt.crf(lexicon=True), TAGS)
    output = cut(output_of(3), slice(0, 1))
    assert float(objective.loss(output, Sequences(torch.tensor([1, 1]), torch.tensor([2]))).detach()) == 0


def test_a_grammar_that_no_training_string_fits_is_told() -> None:
    """Some may be strange to it, but where all that come first are, there is nothing to learn."""
    objective: Any = made(dt.automaton(grammar={"all": "a|b{4}"}), TEXT)
    a, other = (Sequences(torch.tensor([[label, 0, 1]]), torch.tensor([1])) for label in (0, 1))
    frames = Sequences(torch.zeros(5, objective.width), torch.tensor([5]))
    for target in (other,) * 99 + (a,) + (other,) * 120:
        objective.loss(frames, target)
    objective = made(dt.automaton(grammar={"all": "a|b{4}"}), TEXT)
    for _ in range(99):
        objective.loss(frames, other)
    with pytest.raises(RecipeError, match="none of the first 100 training strings is one that it allows, as 'b'"):
        objective.loss(frames, other)


@pytest.mark.parametrize(
    ("spec", "data", "message"),
    [
        (dt.crf(), TEXT, "crf needs a target of tags, the data have string"),
        (dt.automaton(), TAGS, "automaton needs a target of string, the data have tags"),
        (dt.crf(forbid=True), dataclasses.replace(TAGS, names=["x", "y", "z"]), "the tags mark no chunks"),
        (dt.crf(lexicon=True), dataclasses.replace(TAGS, lexicon=[]), "the data name no words"),
        (dt.automaton({"a": "a"}, ["a"]), TEXT, "grammar and lexicon: give one of them"),
        (dt.automaton({"a": "a("}), TEXT, "grammar: rule 'a'"),
        (dt.automaton(lexicon=["abc"]), TEXT, "there is no symbol 'c'"),
        (dt.automaton(joint=False, blank=False), TEXT, "blank: without joint training it stands for pieces"),
        (dt.softmax(), TEXT, "softmax needs a target of class, the data have string"),
    ],
    ids=repr,
)
def test_what_does_not_go_together_is_refused(spec: Spec, data: Target, message: str) -> None:
    with pytest.raises(ValueError, match=message.replace("(", r"\(")):
        make_objective(spec, data)


def segmented(tags: tuple[int, ...], longest: int) -> bool:
    """Whether tags B-X, I-X and O mark segments of at most so many places."""
    run = 0
    for tag in tags:
        run = 1 if tag == 0 else run + 1 if tag == 1 and run else 0
        if (tag == 1 and not run) or run > longest:
            return False
    return True


@pytest.mark.parametrize("longest", [1, 2, 3])
@pytest.mark.parametrize("n", [0, 1, 2])
def test_probabilities_of_all_segmentations_sum_to_one(longest: int, n: int) -> None:
    objective = made(dt.semi_crf(longest=longest), TAGS)
    output = cut(output_of(2), slice(n, n + 1))
    ways = [way for way in taggings(int(LENGTHS[n])) if segmented(way, longest)]
    repeated = Sequences(output.values.repeat(len(ways), 1), LENGTHS[n].repeat(len(ways)))
    loss = objective.loss(repeated, Sequences(torch.tensor(ways).reshape(-1), repeated.lengths)).detach()
    torch.testing.assert_close((-loss).exp().sum(), torch.tensor(1.0, dtype=torch.float64))
    best = int(loss.argmin())
    assert tuple(objective.decode(output).values.tolist()) == ways[best]
    assert objective.describe(output)[0]["probability"] == pytest.approx(float((-loss[best]).exp()))


@pytest.mark.parametrize("spec", [dt.path_margin(), dt.path_margin(0.3, order=2), dt.path_margin(0.0)], ids=repr)
@pytest.mark.parametrize("n", [0, 1, 2])
def test_a_margin_is_that_to_the_best_of_all_taggings(spec: Spec, n: int) -> None:
    objective: Any = made(spec, TAGS)
    output, target = cut(output_of(3), slice(n, n + 1)), cut(target_of(TAGS), slice(n, n + 1))
    ways = torch.tensor(taggings(int(LENGTHS[n])))
    repeated = Sequences(output.values.repeat(len(ways), 1), LENGTHS[n].repeat(len(ways)))
    scores = objective.score(repeated, Sequences(ways.reshape(-1), repeated.lengths))
    wrong = (ways != target.values).double().sum(1)
    expected = (scores + spec.options["margin"] * wrong).max() - objective.score(output, target)[0]
    torch.testing.assert_close(objective.loss(output, target)[0], expected)


def test_a_segment_longer_than_there_can_be_is_cut() -> None:
    objective = made(dt.semi_crf(longest=2), TAGS)
    output = cut(output_of(2), slice(1, 2))
    four = [Sequences(torch.tensor(tags), torch.tensor([4])) for tags in ([0, 1, 1, 1], [0, 1, 0, 1])]
    torch.testing.assert_close(objective.loss(output, four[0]), objective.loss(output, four[1]))


def test_tags_that_are_no_segments_are_refused() -> None:
    with pytest.raises(ValueError, match="semi_crf: takes tags B-X, I-X and O"):
        dt.semi_crf().make(dataclasses.replace(TAGS, names=["E-X", "I-X", "O"]))
    with pytest.raises(ValueError, match="semi_crf: there is an I-X and no B-X"):
        dt.semi_crf().make(Target("tags", 2, ["I-X", "O"]))


@pytest.mark.parametrize("spec", [s for s, _ in SETTINGS if s.name in ("crf", "semi_crf")], ids=repr)
def test_alternatives_are_the_most_probable_taggings(spec: Spec) -> None:
    objective = made(spec, TAGS)
    output = cut(output_of(objective.width or 1), slice(1, 2))
    found = objective.alternatives(output, 3)[0]
    for answer in found:
        tags = Sequences(torch.tensor([TAGS.names.index(tag) for tag in answer["tags"]]), output.lengths)
        assert answer["probability"] == pytest.approx(float((-objective.loss(output, tags)).exp().detach()))
    told = [answer["probability"] for answer in found]
    assert told == sorted(told, reverse=True)
    assert found[0]["tags"] == objective.describe(output)[0]["tags"]
    assert len({tuple(answer["tags"]) for answer in found}) == len(found)


@pieces
@pytest.mark.parametrize("form", ["frames", "pieces"])
def test_alternatives_are_the_most_probable_strings(spec: Spec, form: str) -> None:
    objective: Any = made(spec, TEXT)
    output = cut((output_of if form == "frames" else lattice_of)(objective.width), slice(1, 2))
    likely = {
        "".join("ab"[k] for k in text): float(objective.log_likely(output, [text]).detach().exp()) for text in texts(4)
    }
    best = sorted((p for text, p in likely.items() if allowed(spec, ["ab".index(c) for c in text])), reverse=True)[:3]
    found = objective.alternatives(output, 3)[0]
    assert [answer["probability"] for answer in found] == pytest.approx(best[: len(found)])
    assert all(answer["probability"] == pytest.approx(likely[answer["text"]]) for answer in found)


def test_what_has_no_alternatives_says_so() -> None:
    with pytest.raises(ValueError, match="has no alternatives"):
        dt.squares().make(Target("numbers", 1)).alternatives(torch.zeros(1, 1), 2)
