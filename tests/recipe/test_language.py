"""The YAML language: what is a number, what is a word, and that everything comes back as it was."""

from __future__ import annotations

from textwrap import dedent

import pytest

import dovetail as dt
from dovetail.recipe.errors import RecipeError
from dovetail.recipe.language import read_nodes, write
from dovetail.recipe.recipe import load, parse, shipped

SMALL = "network: [flatten, {linear: outputs}]\nobjective: softmax\ndata: digits\n"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 1e-3),
        ("5E+2", 500.0),
        (".5", 0.5),
        ("-3", -3),
        ("010", 10),
        ("1_000", "1_000"),
        ("0x10", "0x10"),
        ("12:30:00", "12:30:00"),
        ("2020-01-01", "2020-01-01"),
        ("no", "no"),
        ("on", "on"),
        ("yes", "yes"),
        ("Off", "Off"),
        ("true", True),
        ("True", "True"),
        ("null", None),
        ("~", None),
        ("'1'", "1"),
        (".inf", float("inf")),
        ("=", "="),
    ],
)
def test_scalars_mean_what_they_look_like(text: str, value: object) -> None:
    plain = read_nodes(f"x: {text}", "f").plain()["x"]
    assert plain == value
    assert type(plain) is type(value)


@pytest.mark.parametrize("value", ["no", "1e-3", "null", "010", "true", "a: b", "*star", "2020-01-01", "", " x", "ä"])
def test_text_survives_writing(value: str) -> None:
    assert read_nodes(write({"x": [value]}), "f").plain() == {"x": [value]}


@pytest.mark.parametrize("value", [1e-3, 1e-20, 0.1, 5e-324, 1e300, -0.0, 3, 0, True, None, 123456789012345678])
def test_numbers_survive_writing(value: object) -> None:
    back = read_nodes(write({"x": value}), "f").plain()["x"]
    assert (back, type(back)) == (value, type(value))


@pytest.mark.parametrize("complete", [False, True])
@pytest.mark.parametrize("name", shipped())
def test_shipped_recipes_round_trip(name: str, complete: bool) -> None:
    recipe = load(name)
    assert parse(recipe.write(complete)) == recipe


def test_recipes_name_their_paper_and_published_number() -> None:
    for name in shipped():
        assert {"title", "paper", "published", "ours"} <= set(load(name).about), name


def test_python_and_yaml_give_the_same_specs() -> None:
    text = """network:
    - conv: {filters: 8, kernel: 3, pad: same}
    - [relu, maxpool: 2]
    - residual: [conv: {filters: 8, pad: 1}]
    """
    recipe = parse(dedent(text) + "objective: softmax\ndata: digits")
    assert recipe.network == [
        dt.conv(8, 3, pad="same"),
        dt.chain([dt.relu(), dt.maxpool(2)]),
        dt.residual([dt.conv(8, pad=1)]),
    ]


@pytest.mark.parametrize("text", ["network: " + "[" * 100_000, "network: " + "{a: " * 20_000])
def test_deep_nesting_is_told_before_anything_recurses(text: str) -> None:
    with pytest.raises(
        RecipeError, match=r"nesting deeper than 100|maximum nesting depth"
    ) as told:  # newer libyaml's own
        read_nodes(text, "deep.yaml")
    assert len(str(told.value)) < 1000


def test_anchors_repeat_but_do_not_explode() -> None:
    recipe = parse("network: [&a {linear: 8}, relu, *a, linear: outputs]\nobjective: softmax\ndata: digits")
    assert recipe.network[0] == recipe.network[2] == dt.linear(8)
    bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"a{i}: &a{i} [{','.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 9)
    )
    with pytest.raises(RecipeError, match="more than 100000 values, counting what anchors repeat"):
        parse(bomb)
    with pytest.raises(RecipeError, match="an anchor that contains itself"):
        parse("network: &a [*a]\n")


@pytest.mark.parametrize("text", ["!!python/object/apply:os.system ['true']", "!!python/name:os.system", "!custom 3"])
def test_a_file_cannot_name_code(text: str) -> None:
    with pytest.raises(RecipeError):
        parse(f"network: {text}\nobjective: softmax\ndata: digits")


def test_later_overrides_win_and_replace_parts() -> None:
    recipe = parse(
        SMALL, "r", ["epochs=3", "epochs=4", "optimizer.rate.cosine.start=0.5", "optimizer.groups.*.bias.rate=2"]
    )
    assert recipe.epochs == 4
    assert recipe.optimizer.rate == dt.cosine(0.5)
    assert recipe.optimizer.groups["*.bias"].rate == 2
    assert parse(SMALL, "r", ["data.mnist.root=somewhere"]).data == dt.mnist("somewhere")
    assert parse(SMALL, "r", ["network.1.linear.units=3"]).network[1] == dt.linear(3)
    assert parse(SMALL, "r", ["network.0=relu"]).network[0] == dt.relu()
    assert parse(SMALL, "r", ["objective={softmax: {smoothing: 0.1}}"]).objective == dt.softmax(0.1)
    assert parse(SMALL, "r", ["optimizer.rate=0.25"]).optimizer.rate == dt.constant(0.25)


def test_an_option_of_the_objective_may_be_named_alone() -> None:
    assert load("lenet", ["smoothing=0.1"]).objective == dt.softmax(0.1)
    assert load("lenet", ["objective.softmax.top=3", "smoothing=0.1"]).objective == dt.softmax(0.1, top=3)
    assert load("lenet", ["epochs=3"]).epochs == 3  # settings of the recipe come first
    with pytest.raises(RecipeError, match="unknown setting 'joint'"):
        load("lenet", ["joint=false"])
    with pytest.raises(RecipeError, match=r"unknown setting 'smothing'\. Did you mean 'smoothing'\?"):
        load("lenet", ["smothing=0.1"])
    with pytest.raises(RecipeError, match=r"unknown setting 'qqq'\. Known: about, (?!.*smoothing)"):
        load("lenet", ["qqq=1"])
