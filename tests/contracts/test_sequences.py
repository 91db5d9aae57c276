"""Every layer on sequences of various lengths: what is beside a sequence in its batch does not change it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from contracts.checks import example
from contracts.test_layers import SETTINGS
from torch import Tensor, nn

import dovetail as dt
from dovetail.layers.heads import main_of
from dovetail.recipe.build import build_and_push, chained
from dovetail.recipe.facts import Field
from dovetail.recipe.sequences import Lattice, Sequences, cut
from dovetail.recipe.spec import Spec

LENGTHS = torch.tensor([3, 1, 4])
FIELDS = (Field("word[0]", [1, 2, 3, 4]), Field("pos[0]", [7, 9]))
LETTERS = Field("word.letters3", [1, 2, 3, 4], 3)
WORDS: list[Spec] = [
    dt.indicators(3),
    dt.embedding(4),
    dt.embedding(2, of="pos[0]"),
    dt.characters(5, units=3),
    dt.characters(2, kernel=5, of="word.letters3"),
]
OVER_TIME: list[tuple[Spec, tuple[int, ...]]] = [
    (dt.lstm(3), (2,)),
    (dt.lstm(2, layers=2, both=True), (3,)),
    (dt.chain([dt.linear(3), dt.lstm(2), dt.tanh()]), (4,)),
    (dt.residual([dt.lstm(4), dt.linear(4)]), (4,)),
    (dt.branch([[dt.lstm(4)], [dt.linear(3)]]), (2,)),
    (dt.repeat([dt.lstm(3)], times=2), (2,)),
]
SPREAD: list[tuple[Spec, tuple[int, ...]]] = [(dt.spread(2), (6,)), (dt.chain([dt.spread(3), dt.lstm(2)]), (3,))]
WINDOWS: list[tuple[Spec, tuple[int, ...]]] = [
    (dt.sweep([dt.conv(3, [4, 2]), dt.tanh()]), (4,)),
    (dt.sweep([dt.conv(2, 3), dt.avgpool(2), dt.conv(2, [1, 2])], pad=3), (5,)),
    (dt.segments(most=2, width=3, apart=1), (3,)),
    (dt.segments(most=2, width=4, apart=1, layers=[dt.conv(3, [4, 2]), dt.tanh()]), (4,)),
    (dt.segments(most=2, width=5, apart=1, layers=[dt.conv(2, 3), dt.avgpool(2), dt.conv(2, [1, 2])]), (5,)),
]


def words() -> Sequences:
    """Numbers of two fields, some of them never seen in training, and letters."""
    values = torch.tensor([[1, 0], [4, 2], [0, 1], [2, 2], [3, 0], [0, 0], [1, 1], [2, 1]], dtype=torch.int32)
    letters = torch.tensor([[2, 3, 4], [2, 1, 1], [0, 2, 1], [4, 4, 1], [3, 2, 2], [0, 0, 0], [4, 1, 1], [2, 3, 1]])
    return Sequences(torch.cat([values, letters.int()], 1), LENGTHS, (*FIELDS, LETTERS))


def cut_to_two(x: Sequences) -> Sequences:
    return Sequences(x.values[:, :2], x.lengths, FIELDS)


def built(spec: Spec, x: Sequences) -> tuple[nn.Module, Any]:
    kind = torch.int32 if x.fields else torch.float32
    like = Sequences(torch.empty((8, *x.values.shape[1:]), dtype=kind, device="meta"), LENGTHS, x.fields)
    torch.manual_seed(3)
    network, output = build_and_push([spec], like)
    return network.double(), output


def require_that_sequences_do_not_see_each_other(spec: Spec, x: Sequences) -> None:
    network, expected = built(spec, x)
    for parameter in network.parameters():
        nn.init.normal_(parameter)
    network.eval()
    together = network(x)
    assert together.values.shape == expected.values.shape
    assert torch.equal(together.lengths, expected.lengths)
    alone = [network(cut(x, slice(n, n + 1))).values for n in range(3)]
    torch.testing.assert_close(together.values, torch.cat(alone))


@pytest.mark.parametrize(("spec", "shape"), [*SETTINGS, *OVER_TIME], ids=lambda value: str(value)[:40])
def test_a_layer_on_places(spec: Spec, shape: tuple[int, ...]) -> None:
    x = Sequences(example(shape, 8), LENGTHS)
    if spec.name in ("lstm", "spread") and len(shape) > 1:  # places of which are no vectors
        return
    if spec.name == "heads":
        assert main_of(built(spec, x)[0].eval()(x)).values.shape == (8, 2)
        return
    require_that_sequences_do_not_see_each_other(spec, x)


@pytest.mark.parametrize(("spec", "shape"), SPREAD, ids=lambda value: str(value)[:40])
def test_a_layer_that_makes_more_places(spec: Spec, shape: tuple[int, ...]) -> None:
    require_that_sequences_do_not_see_each_other(spec, Sequences(example(shape, 8), LENGTHS))
    if shape == (6,):
        network, _ = built(spec, Sequences(example(shape, 8), LENGTHS))
        told = network(Sequences(torch.arange(48.0).reshape(8, 6), LENGTHS))
        assert told.lengths.tolist() == [6, 2, 8]
        assert told.values[:2].tolist() == [[0, 1, 2], [3, 4, 5]]


def test_letters_are_looked_at_where_a_word_has_them() -> None:
    """The largest answer over the letters, written out; a word's own length does not matter."""
    network, _ = built(dt.characters(2, units=3, of="word.letters3"), words())
    spelled, values = network[0], words().values
    found = network(words()).values
    table, weight, bias = spelled.letters.weight, spelled.conv.weight, spelled.conv.bias
    for word, letters in zip(found, values[:, 2:].tolist(), strict=True):
        own = [table[letter] for letter in letters if letter != 1]
        vectors = [torch.zeros(3, dtype=torch.float64), *own, torch.zeros(3, dtype=torch.float64)]
        answers = [bias + sum(weight[:, :, j] @ vectors[i + j] for j in range(3)) for i in range(len(own))]
        torch.testing.assert_close(word, torch.stack(answers).amax(0))


def test_a_word_without_letters_has_an_answer() -> None:
    network, _ = built(dt.characters(2, units=3), words())
    nothing = torch.tensor([[0, 0, 1, 1, 1]], dtype=torch.int32)
    answer = network(Sequences(nothing, torch.tensor([1]), (*FIELDS, LETTERS))).values[0]
    torch.testing.assert_close(answer, network[0].conv.bias)


def test_characters_need_letters() -> None:
    with pytest.raises(ValueError, match=r"give the source a feature like word\.letters16"):
        built(dt.characters(2), cut_to_two(words()))
    with pytest.raises(ValueError, match="there is word"):
        built(dt.characters(2, of="word"), words())
    with pytest.raises(ValueError, match="an odd number of letters"):
        built(dt.characters(2, kernel=4), words())
    with pytest.raises(ValueError, match="the layer characters looks at them"):
        built(dt.embedding(2, of="word.letters3"), words())


@pytest.mark.parametrize("spec", WORDS, ids=str)
def test_a_layer_on_words(spec: Spec) -> None:
    require_that_sequences_do_not_see_each_other(spec, words())


@pytest.mark.parametrize(("spec", "shape"), OVER_TIME, ids=lambda value: str(value)[:40])
def test_gradients_over_time_match_finite_differences(spec: Spec, shape: tuple[int, ...]) -> None:
    network, _ = built(spec, Sequences(example(shape, 8), LENGTHS))

    def f(values: Tensor) -> Tensor:
        output: Tensor = network(Sequences(values, LENGTHS)).values
        return output

    assert torch.autograd.gradcheck(f, (example(shape, 8).requires_grad_(),))


def test_features_that_training_never_saw_add_nothing() -> None:
    network, _ = built(dt.indicators(2), cut_to_two(words()))
    for parameter in network.parameters():
        nn.init.normal_(parameter)
    x = Sequences(torch.zeros((1, 2), dtype=torch.int32), torch.tensor([1]), FIELDS)
    with torch.no_grad():  # row 0 stands for them; nothing ever moves it from 0
        network[0].weight[0] = 0
    assert network(x).values.tolist() == [[0, 0]]
    table = network[0].weight.detach()
    both = Sequences(torch.tensor([[2, 1]], dtype=torch.int32), torch.tensor([1]), FIELDS)
    torch.testing.assert_close(network(both).values[0], table[2] + table[4 + 1])


@pytest.mark.parametrize("numbers", [[[2, 1, 0]], [[2]], [[9, 1]], [[2, -1]], [[2, 7]]])
def test_numbers_that_have_no_vector_are_refused(numbers: list[list[int]]) -> None:
    network, _ = built(dt.indicators(2), cut_to_two(words()))
    with pytest.raises(IndexError, match=r"expected 2 numbers at a place|none of its field's"):
        network(Sequences(torch.tensor(numbers, dtype=torch.int32), torch.tensor([1]), FIELDS))


def test_an_embedding_names_the_field_it_does_not_find() -> None:
    with pytest.raises(ValueError, match=r"the data have no field 'word'\. Did you mean 'word"):
        built(dt.embedding(4, of="word"), words())


@pytest.mark.parametrize("spec", [dt.linear(3), dt.lstm(3), dt.relu()], ids=str)
def test_words_need_an_embedding_first(spec: Spec) -> None:
    with pytest.raises(ValueError, match="embedding"):
        built(spec, words())


@pytest.mark.parametrize("spec", WORDS, ids=str)
def test_layers_for_words_take_nothing_else(spec: Spec) -> None:
    with pytest.raises(ValueError, match="takes sequences of words"):
        built(spec, Sequences(torch.zeros(8, 2), LENGTHS))


@pytest.mark.parametrize(("spec", "shape"), WINDOWS, ids=lambda value: str(value)[:40])
def test_a_line_is_read_alike_beside_longer_ones(spec: Spec, shape: tuple[int, ...]) -> None:
    x = Sequences(example(shape, 8).abs(), LENGTHS)
    network, expected = built(spec, x)
    together, alone = network(x), [network(cut(x, slice(n, n + 1))) for n in range(3)]
    torch.testing.assert_close(together.values, torch.cat([one.values for one in alone]))
    assert together.lengths.tolist() == [len(one.values) for one in alone]
    assert together.values.shape[1:] == expected.values.shape[1:]
    if isinstance(together, Lattice):
        for n in range(3):
            assert torch.equal(together.rows(slice(n, n + 1)).cuts, alone[n].cuts)
            assert torch.equal(together.rows(slice(n, n + 1)).columns, alone[n].columns)
            assert torch.equal(together.rows(slice(n, n + 1)).values, alone[n].values)


def test_a_piece_is_seen_among_its_neighbours() -> None:
    """Of what the layers make of a line the frames around each piece's middle, and how much of each is its own."""
    body = [dt.conv(3, 3), dt.maxpool(2), dt.tanh()]
    x = Sequences(example((6,), 8).abs(), LENGTHS)
    network, _ = built(dt.segments(most=2, width=4, apart=1, layers=body), x)
    lattice, trunk = network(x), network[0].trunk
    assert (trunk.window, trunk.step, trunk.pad) == (4, 2, 2)
    frames = trunk(x).rows(slice(2, 3)).values.unflatten(1, (3, 2))
    third = lattice.rows(slice(2, 3))
    for (begin, end), image in zip(third.columns.tolist(), third.values, strict=True):
        middles = [2 * t - 2 + 4 / 2 for t in range(len(frames))]  # in columns of the line
        near = sorted(range(-1, len(frames) + 1), key=lambda t: (abs(2 * t - (begin + end) / 2), -t))[:2]
        for place, t in enumerate(sorted(near)):
            expected = frames[t] if 0 <= t < len(frames) else torch.zeros(3, 2)
            torch.testing.assert_close(image[:3, :, place], expected.to(image), check_stride=False)
            own = max(0, min(end, 2 * t + 1) - max(begin, 2 * t - 1)) / 2
            assert image[3, :, place].tolist() == [own, own], middles


def test_frames_of_a_sweep_are_windows_read_one_by_one() -> None:
    body = [dt.conv(3, 3), dt.maxpool(2), dt.conv(4, [2, 3]), dt.tanh()]
    x = Sequences(example((6,), 8), LENGTHS)
    network, _ = built(dt.sweep(body), x)
    swept = network[0]
    assert (swept.window, swept.step, swept.pad) == (8, 2, 4)
    line = torch.nn.functional.pad(x.rows(slice(2, 3)).values.T, (4, 4))
    windows = line.unfold(1, 8, 2).permute(1, 0, 2)[:, None]
    torch.testing.assert_close(network(x).rows(slice(2, 3)).values, swept.body(windows).flatten(1))


def test_a_sweep_refuses_what_would_look_beyond_a_line() -> None:
    for layers, message in (
        ([dt.conv(3, 3, pad=1)], "a layer pads along the line"),
        ([dt.conv(3, 3), dt.flatten()], "the layers must end in"),
        ([dt.conv(3, [9, 1])], "a patch of 9 does not fit into 6"),
    ):
        with pytest.raises(ValueError, match=message):
            built(dt.sweep(layers), Sequences(example((6,), 8), LENGTHS))


def test_products_in_half_precision_are_given_rounded_numbers_of_places() -> None:
    torch.manual_seed(0)
    x = Sequences(torch.randn(1001, 6), torch.tensor([1000, 1]))
    network = chained([nn.Linear(6, 3)], x)
    seen = []
    network[0].register_forward_pre_hook(lambda _, inputs: seen.append(len(inputs[0])))
    plain = network(x).values
    with torch.autocast("cpu", torch.bfloat16):
        rounded = network(x).values
        expected = network[0](x.values)
    assert seen == [1001, 1024, 1001]
    assert torch.equal(rounded, expected)
    torch.testing.assert_close(rounded.float(), plain, atol=0.05, rtol=0.05)
    slopes = [torch.autograd.grad(values.float().square().sum(), network[0].weight)[0] for values in (plain, rounded)]
    torch.testing.assert_close(*slopes, atol=1, rtol=0.05)
