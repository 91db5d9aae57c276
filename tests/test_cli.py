"""Every verb, as a user types it."""

from __future__ import annotations

import csv
import dataclasses
import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import jsonschema
import numpy as np
import pexpect
import pytest
from commands import dovetail
from PIL import Image
from sklearn.datasets import load_iris

from dovetail.recipe.listing import sections
from dovetail.recipe.recipe import Recipe, load, parse, shipped


@pytest.fixture
def run() -> str:
    said = dovetail("train", "softmax-regression", "epochs=2", "run=small", "--json")
    assert said.code == 0
    assert said.err == ""
    assert said.json["run"] == "runs/small"
    return "small"


def test_train_prints_a_line_an_epoch_and_the_test(run: str) -> None:
    said = dovetail("train", "softmax-regression", "epochs=2")
    lines = said.err.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("epoch 1/2  step 12  rate 0.0")
    assert said.out.startswith("test error ")
    assert "of 360 wrong), " in said.out
    assert said.out.rstrip().rsplit(" ", 1)[-1].startswith("runs/softmax-regression-20")


def test_json_of_every_verb(run: str) -> None:
    trained = dovetail("resume", run, "epochs=3", "--json").json
    assert set(trained) == {"run", "test", "seconds"}
    assert trained["test"]["count"] == 360
    tested = dovetail("test", run, "--json").json
    assert tested["test"]["error"] == trained["test"]["error"]
    assert np.array(tested["test"]["confusion"]).sum() == 360
    Image.fromarray(np.zeros((28, 28), np.uint8)).save("black.png")
    answer = dovetail("predict", run, "black.png", "--json").json
    assert set(answer) == {"input", "class", "probability"}
    shown = dovetail("show", "lenet", "--json").json
    assert shown["parameters"] == 431_080
    assert shown["multiply_adds"] == 2_293_000
    assert [row["place"] for row in shown["rows"]] == list("01234567")
    assert "conv" in [item["name"] for item in dovetail("list", "layers", "--json").json["layers"]]
    assert dovetail("new", "mine", "--json").json == {"recipe": "mine.yaml"}
    assert dovetail("schema", "--json").json["title"] == "dovetail recipe"


SMALL = {  # by source: what makes its examples few, and how many of them are for tests
    "noise": (["data.noise.shape=[3, 64, 64]", "data.noise.classes=10", "data.noise.size=4", "batch=4"], None),
    "digit_strings": (["data.digit_strings.size=64", "data.digit_strings.test=20", "recalibrate=64"], 20),
    "amounts": ([*(f"data.amounts.{w}" for w in ("size=64", "test=20", "validation=20")), "recalibrate=64"], 20),
    "columns": ([], 3),
    "words": ([], 2),
}
SENTENCES = "The DT B-NP\ndog NN I-NP\nbarks VBZ B-VP\n\n"
LETTERS = "3 qid:1 1:1 8:1\n20 qid:1 5:1\n"


@pytest.mark.parametrize("name", shipped())
def test_every_shipped_recipe_is_shown_and_trains(name: str) -> None:
    for file, text in (("train.txt", 4 * SENTENCES), ("test.txt", SENTENCES)):
        Path(file).write_text(text)
    for part in ("train", "test"):
        Path(f"{part}_struct.txt").write_text(LETTERS)
    assert "memory of a training step: about" in dovetail("show", name).out
    words, count = SMALL.get(load(name).data.name, ([], (360, 114, 89)))
    told = dovetail("train", name, *words, "epochs=1", "--json").json["test"]
    if count is None:
        assert told == {}
    else:
        assert told["count"] in (count if isinstance(count, tuple) else (count,))


def test_a_starter_recipe_trains_as_it_is() -> None:
    assert dovetail("new", "mine").out == "wrote mine.yaml; try: dovetail train mine.yaml\n"
    assert dovetail("train", "mine.yaml", "epochs=1").code == 0
    assert dovetail("new", "mine").err == "mine.yaml exists; nothing was written\n"


def test_a_table_from_csv_to_predictions() -> None:
    data = load_iris()
    rows = [[*map(str, x), str(data.target_names[y])] for x, y in zip(data.data, data.target, strict=True)]
    header = ["length", "width", "petal length", "petal width", "species"]
    for name, some in (("iris.csv", rows[::2]), ("more.csv", rows[1::2])):
        with open(name, "w", newline="") as file:
            csv.writer(file).writerows([header, *some])
    words = ["data.table.path=iris.csv", "data.table.target=species", "batch=8", "epochs=60", "run=iris", "--json"]
    assert dovetail("train", "softmax-regression", "network.0=flatten", *words).json["test"]["error"] < 0.2
    more = dovetail("test", "iris", "data.table.path=more.csv", "--json").json["test"]
    assert more["count"] == 75
    assert more["error"] < 0.15
    answers = [json.loads(line) for line in dovetail("predict", "iris", "more.csv").out.splitlines()]
    assert len(answers) == 75
    assert answers[0]["input"] == "more.csv:1"
    assert np.mean([a["class"] == row[-1] for a, row in zip(answers, rows[1::2], strict=True)]) == 1 - more["error"]


def test_list_names_every_part_with_its_options() -> None:
    text = dovetail("list").out
    for name in ("recipes", "layers", "inits", "objectives", "rules", "schedules", "sources", *shipped()):
        assert f"{name}\n" in text
    assert "  conv  filters, kernel=3, stride=1, pad=0, groups=1, bias=true, init=nothing\n" in text
    assert "  sgd  momentum=0.0, nesterov=false\n" in text


def test_list_tells_what_has_a_name() -> None:
    assert dovetail("list", "lenet").out.startswith("recipes\n  lenet\n")
    assert dovetail("list", "batch").out == "settings\n  batch  64\n      a whole number above 0\n"
    assert [*dovetail("list", "decay", "--json").json] == ["optimizer", "groups"]
    said = dovetail("list", "gauss_newton").out
    assert said.startswith("rules\n  gauss_newton  damping=")
    assert "Martens (2010)" in said
    assert ">>>" not in said
    assert dovetail("list", "stop.after").out.startswith("stop\n  after  5 epochs\n")
    assert dovetail("list", "gauss-newtn").err == "nothing is named 'gauss-newtn'. Did you mean 'gauss_newton'?\n"


def test_list_names_every_setting_of_every_section() -> None:
    found = dovetail("list", "--json").json
    for name, section in sections(Recipe, "settings"):
        told = {item["name"]: item for item in found[name]}
        assert [*told] == ["", *(field.name for field in dataclasses.fields(section))]
        assert all(item["summary"] for item in told.values())
        for item in told.values():  # where it says to look, there is something
            listed = re.fullmatch(r"dovetail list (\w+)", item["summary"])
            assert listed is None or listed[1] in found
    assert [*found].index("optimizer") < [*found].index("groups")
    assert "  patience  10\n      a whole number above 0\n" in dovetail("list", "optimizer").out


def test_the_schema_accepts_what_is_right_and_refuses_what_is_not() -> None:
    schema = json.loads(dovetail("schema").out)
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    for name in shipped():
        for complete in (False, True):
            validator.validate(load(name).plain(complete))
    right = {
        "network": [{"conv": {"filters": 3}}, ["relu", {"linear": "outputs"}]],
        "objective": "softmax",
        "data": "digits",
    }
    validator.validate(right)
    for wrong in (
        {"epoch": 3},
        {"network": ["rellu"]},
        {"network": [{"conv": {"filters": 3, "kernal": 5}}]},
        {"network": [{"linear": "output"}]},
        {"optimizer": {"rule": {"sgd": 2.0}}},
        {"batch": 0},
        {"objective": {"softmax": {"weights": "balance"}}},
    ):
        assert not validator.is_valid({**right, **wrong}), wrong


def test_own_parts_are_used_by_name() -> None:
    Path("my_parts.py").write_text(
        "from torch import nn\nimport dovetail as dt\n\n@dt.layer\ndef triple(x, factor: float = 3.0):\n"
        '    """Times three."""\n    return nn.Threshold(-1e9, factor)\n'
    )
    words = ["train", "softmax-regression", "network.0.triple.factor=2", "epochs=1"]
    assert dovetail(*words).code == 2
    assert "network ends in" in dovetail(*words, "--use", "my_parts").err
    assert dovetail("list", "layers", "--use", "my_parts").out.endswith("  triple  factor=3.0\n      Times three.\n")
    assert (
        dovetail(*words, "--use", "not_there").err
        == "--use not_there: there is no such Python module here or installed\n"
    )
    recipe = parse("network: [triple, linear: outputs]\nobjective: softmax\ndata: cancer\n")
    assert parse(recipe.write()) == recipe


def test_a_terminal_sees_a_bar() -> None:
    child = pexpect.spawn(
        f"{sys.executable} -m dovetail train mlp epochs=3 batch=4 run=seen", encoding="utf-8", timeout=60
    )
    child.expect("training")
    child.expect("1080")
    child.expect("test error")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0


def test_the_demo_ends_with_commands_that_work() -> None:
    said = dovetail("demo")
    assert said.code == 0
    lines = said.out.splitlines()
    assert lines[0] == "LeNet on scikit-learn's 1,797 scanned digits"
    error = float(next(line for line in lines if line.startswith("test error")).split()[2])
    assert error < 3
    label, prediction = (
        next(line.split() for line in lines if line.startswith(word)) for word in ("label", "prediction")
    )
    assert sum(a == b for a, b in zip(label[1:], prediction[1:], strict=True)) >= 8
    commands = [line.split("#")[0].split() for line in lines if line.startswith("  dovetail ")]
    assert [words[1] for words in commands] == ["predict", "resume", "show", "new"]
    for words in commands:
        if words[1] != "resume":
            assert dovetail(*words[1:]).code == 0
    assert json.loads(dovetail(*commands[0][1:]).out)["class"] == prediction[1]


@pytest.mark.parametrize("words", [["trian"], ["train"], ["train", "lenet", "--jsno"]])
def test_what_the_parser_refuses_is_2(words: list[str]) -> None:
    assert dovetail(*words).code == 2


def test_ctrl_c_where_nothing_is_saved_is_told() -> None:
    heed = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"  # ignored behind others
    command = [sys.executable, "-c", f"{heed}; from dovetail.cli import main; main()", "check", "softmax-regression"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as proving:
        assert proving.stdout
        assert proving.stdout.readline().startswith("build")
        proving.send_signal(signal.SIGINT)
        assert proving.communicate()[1] == "stopped\n"
    assert proving.returncode == 130
