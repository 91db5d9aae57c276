"""The lecture's networks to the parameter, and convolution's promise: what moves in the input moves in the features."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

import dovetail as dt
from dovetail.layers.glyphs import glyph_codes
from dovetail.layers.heads import Heads
from dovetail.layers.initialization import lecun
from dovetail.recipe.facts import Target
from dovetail.recipe.recipe import load
from dovetail.recipe.spec import Spec
from dovetail.training.show import Table


@pytest.mark.parametrize(
    ("name", "parameters", "giga"),
    [
        ("vgg-a", 132_863_336, 7.609),
        ("vgg-a-lrn", 132_863_336, 7.609),
        ("vgg-b", 133_047_848, 11.308),
        ("vgg-c", 133_638_952, 11.771),
        ("vgg-d", 138_357_544, 15.470),
        ("vgg-e", 143_667_240, 19.632),
        ("alexnet", 61_100_840, 0.714),
    ],
)
def test_parameters_and_multiply_adds_are_the_published_ones(name: str, parameters: int, giga: float) -> None:
    table = dt.show(name)
    assert table.parameters == parameters
    assert table.multiply_adds / 1e9 == pytest.approx(giga, abs=6e-4)


def own(table: Table) -> list[int]:
    return [row.parameters for row in table.rows if row.layer.startswith("inception")]


def test_googlenet_block_by_block() -> None:
    table = dt.show("googlenet")
    assert own(table) == [163_696, 388_736, 376_176, 449_160, 510_104, 605_376, 868_352, 1_043_456, 1_444_080]
    innermost = [row for row in table.rows if not any(r.place.startswith(f"{row.place}.") for r in table.rows)]
    main = [row for row in innermost if ".side." not in row.place]
    assert sum(row.parameters for row in main) == 6_998_552
    assert sum(row.multiply_adds for row in main) / 1e9 == pytest.approx(1.583, abs=6e-4)
    sides = [row for row in innermost if ".side." in row.place]
    assert [row.output for row in sides if row.layer.startswith("avgpool")] == ["(N, 512, 4, 4)", "(N, 528, 4, 4)"]


def test_lenet5_layer_by_layer() -> None:
    table = dt.show("lenet5")
    assert table.parameters == 60_000
    rows = [row for row in table.rows if row.parameters or row.layer.startswith("rbf")]
    assert [row.parameters for row in rows] == [156, 12, 1_516, 32, 48_120, 10_164, 0]
    outputs = ["6, 28, 28", "6, 14, 14", "16, 10, 10", "16, 5, 5", "120, 1, 1", "84", "10"]
    assert [row.output for row in rows] == [f"(N, {shape})" for shape in outputs]
    assert [row.sees for row in rows] == ["5x5", "6x6", "14x14", "16x16", "all", "all", "all"]
    (table_conv,) = [spec for spec in load("lenet5").network if spec.name == "table_conv"]
    feeds = [sum(column in maps for maps in table_conv.options["table"]) for column in range(6)]
    assert feeds == [10] * 6  # each S2 map feeds ten


@pytest.mark.parametrize("size", [32, 64])
def test_vgg_shrinks_by_its_input_alone(size: int) -> None:
    table = dt.show("vgg-a", f"data.noise.shape=[3, {size}, {size}]", "data.noise.classes=10")
    assert table.rows[-1].output == "(N, 10)"


def test_lenet5_reads_ink_as_the_paper_says() -> None:
    run = dt.show("lenet5")
    assert run.input == "(N, 1, 28, 28)"
    source = load("lenet5").data.make(None)
    input = source.facts.input
    ends = [(value - input.mean[0]) / input.deviation[0] for value in (0.0, 255.0)]
    assert ends == pytest.approx([-0.1, 1.175])


def test_glyphs_are_ten_different_digits() -> None:
    codes = glyph_codes()
    assert codes.shape == (10, 84)
    assert codes.abs().eq(1).all()
    apart = (codes[:, None] != codes).sum(2)
    assert int(apart[~torch.eye(10, dtype=torch.bool)].min()) >= 4
    assert int(apart[7, 1]) < int(apart[0, 1]) + 20  # and look their part: a 7 is no further from a 1 than that


def test_rbf_and_map_loss_numbers() -> None:
    rbf = dt.build([dt.rbf(3)], torch.zeros(1, 3)).double()
    codes = torch.tensor([[1.0, -1, 1], [-1, 1, 1], [1, 1, -1]], dtype=torch.float64)
    with torch.no_grad():
        rbf[0].codes.copy_(codes)
    distances = rbf(torch.tensor([[0.9, -0.8, 0.7]], dtype=torch.float64))
    torch.testing.assert_close(distances[0].detach(), torch.tensor([0.14, 6.94, 6.14], dtype=torch.float64))
    loss = dt.nearest(j=0.1).make(Target("class", 3)).loss(distances, torch.tensor([0]))
    assert float(loss.detach()) == pytest.approx(0.7151059628, abs=1e-9)


def test_a_table_is_a_convolution_with_holes() -> None:
    table = [[0, 2], [1], [0, 1, 2]]
    ours = dt.build([dt.table_conv(table, kernel=3)], torch.zeros(1, 3, 7, 7)).double()[0]
    dense = nn.Conv2d(3, 3, 3).double()
    with torch.no_grad():
        dense.weight.zero_()
        dense.bias.copy_(ours.bias)
        kernels = iter(ours.weight)
        for row, maps in enumerate(table):
            for column in maps:
                dense.weight[row, column] = next(kernels)
    x = torch.randn(2, 3, 7, 7, dtype=torch.float64)
    torch.testing.assert_close(ours(x), dense(x))


def test_a_table_draws_each_map_by_its_own_fan_in() -> None:
    wide = [list(range(12)), [0]]
    torch.manual_seed(0)
    weight = dt.build([dt.table_conv(wide, kernel=5, init=lecun())], torch.zeros(1, 12, 9, 9))[0].weight.detach()
    assert float(weight[:12].abs().max()) == pytest.approx(2.4 / 300, rel=0.05)
    assert float(weight[12].abs().max()) == pytest.approx(2.4 / 25, rel=0.3)


def test_heads_weigh_their_losses_in_training_alone() -> None:
    inner = dt.heads(main=[dt.linear(2)], side=[dt.linear(2)], weight=0.5)
    network = dt.build([dt.heads(main=[dt.linear(4), inner], side=[dt.linear(2)])], torch.zeros(1, 3))
    output = network(torch.randn(5, 3))
    assert isinstance(output, Heads)
    assert [weight for _, weight in output.sides] == [0.3, 0.5]
    assert isinstance(network.eval()(torch.randn(5, 3)), Tensor)


def test_a_system_adds_the_losses_of_its_heads() -> None:
    from dovetail.recipe.facts import Facts, Input
    from dovetail.training.system import Batch, System

    network = "[{heads: {main: [linear: outputs], side: [linear: outputs], weight: 0.3}}]"
    recipe = load("logistic", [f"network={network}", "objective=softmax"])
    facts = Facts(Input("array", [3], "float32"), Target("class", 2), {}, "")
    system = System(recipe, facts).train()
    x, y = torch.randn(4, 3), torch.tensor([0, 1, 1, 0])
    side, main = system.network[0].side, system.network[0].main
    cross = nn.CrossEntropyLoss(reduction="sum")
    torch.testing.assert_close(system(Batch(x, y)), cross(main(x), y) + 0.3 * cross(side(x), y))
    torch.testing.assert_close(system.eval()(Batch(x, y)), cross(main(x), y))


MOVING: list[tuple[list[Spec], int]] = [
    ([dt.conv(3, kernel=3)], 1),
    ([dt.conv(3, kernel=5, stride=2, pad=1)], 2),
    ([dt.conv(2, kernel=4, pad="same"), dt.relu(), dt.maxpool(2)], 2),
    ([dt.table_conv([[0, 1], [1], [0]], kernel=5), dt.scaled_tanh(), dt.subsample(2)], 2),
    ([dt.avgpool(3, stride=3)], 3),
    ([dt.maxpool(3, stride=2, pad=1), dt.localnorm()], 2),
    ([dt.stages([[4], [4, 4]])], 4),
    ([dt.inception(2, [2, 3], [1, 2], 2)], 1),
    ([dt.residual([dt.conv(2, pad="same"), dt.tanh()])], 1),
    ([dt.conv(4, pad="same"), dt.batchnorm(), dt.relu(), dt.maxpool(2), dt.repeat([dt.conv(3, pad="same")], 2)], 2),
]


@pytest.mark.parametrize(("specs", "step"), MOVING, ids=lambda value: str(value)[:50])
def test_where_is_wally(specs: list[Spec], step: int) -> None:
    """A small picture shifted by `step` pixels: every feature within shifts by one, exactly."""
    torch.manual_seed(0)
    network = dt.build(specs, torch.zeros(1, 2, 48, 48)).double().eval()
    wally = torch.zeros(1, 2, 48, 48, dtype=torch.float64)
    wally[..., 18:24, 18:24] = torch.randn(1, 2, 6, 6, dtype=torch.float64)
    for down, right in ((1, 0), (0, 1), (2, -1)):
        moved = wally.roll((down * step, right * step), (2, 3))
        here, there = network(wally), network(moved).roll((-down, -right), (2, 3))
        margin = 12 // step + 1
        inside = (..., slice(margin, -margin), slice(margin, -margin))
        torch.testing.assert_close(there[inside], here[inside], atol=1e-12, rtol=0)
        assert here[inside].std() > 1e-3


def test_a_receptive_field_is_where_the_gradient_is() -> None:
    described = """
        - conv: {filters: 2, kernel: 5, stride: 2, pad: 2}
        - maxpool: {size: 3, stride: 2}
        - residual: [{conv: {filters: 2, pad: same}}]
        - avgpool: 2
        - flatten
        - linear: outputs
    """
    recipe = dt.parse(f"network:{described}\nobjective: softmax\ndata: {{noise: {{shape: [1, 80, 80]}}}}")
    torch.manual_seed(0)
    network = dt.build(recipe.network[:4], torch.zeros(1, 1, 80, 80))
    seen = torch.zeros(80, 80, dtype=torch.bool)
    for _ in range(60):  # max pooling hands its gradient to one place of a patch: take the union over many inputs
        x = torch.rand(1, 1, 80, 80, requires_grad=True)
        network(x)[0, 0, 4, 4].backward()
        assert x.grad is not None
        seen |= x.grad[0, 0] != 0
    rows = seen.any(1).nonzero()
    row = next(row for row in dt.show(recipe).rows if row.layer.startswith("avgpool"))
    assert row.sees == "x".join([str(int(rows.max() - rows.min()) + 1)] * 2)


class _Attend(nn.Module):
    """Calls its modules by keywords, and they answer with tuples."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(width, 1, batch_first=True)
        self.memory = nn.LSTM(width, width, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        answer, _ = self.attention(query=x, key=x, value=x)
        remembered: Tensor = self.memory(answer)[0]
        return remembered


def test_layers_of_ones_own_are_shown_whatever_they_are_made_of(monkeypatch: pytest.MonkeyPatch) -> None:
    from dovetail.recipe import spec

    monkeypatch.setitem(spec._parts, "layer", dict(spec._parts["layer"]))

    @dt.layer
    def attend(x: Tensor) -> nn.Module:
        """Looks around."""
        return _Attend(x.shape[-1])

    table = dt.show("lenet", "network=[reshape: [28, 28], attend, flatten, linear: outputs]")
    assert [row.output for row in table.rows] == ["(N, 28, 28)", "(N, 28, 28)", "(N, 784)", "(N, 10)"]
