"""Every wrong input gets one clear message: where, what was given, what was expected, the nearest right word."""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass
from pathlib import Path

import pytest
from commands import dovetail

RECIPE = """network:
  - conv: {filters: 8, kernel: 5}
  - relu
  - flatten
  - linear: outputs
objective: softmax
data: digits
"""


@dataclass(frozen=True)
class Case:
    name: str
    recipe: str
    words: list[str]
    code: int
    message: str


def read_case(text: str) -> Case:
    name, *lines = text.rstrip("\n").split("\n")
    recipe = RECIPE
    if not lines[0].startswith("$ "):
        how, _, what = lines.pop(0).replace("\\n", "\n").partition(": ")
        old, _, new = what.partition(" => ")
        assert how != "change" or RECIPE.count(old) == 1, name
        recipe = {"whole": what, "append": f"{RECIPE}{what}\n", "change": RECIPE.replace(old, new)}[how]
    words = shlex.split(lines[0].removeprefix("$ dovetail "), posix=False)
    return Case(name, recipe, [word.strip('"') for word in words], int(lines[1]), "\n".join(lines[2:]))


CASES = [read_case(text) for text in Path(__file__).with_name("inputs.txt").read_text().split("\n## ")[1:]]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_message_of_a_wrong_input(case: Case) -> None:
    Path("r.yaml").write_text(case.recipe)
    said = dovetail(*[word.replace("HERE", os.getcwd()) for word in case.words])
    assert said.err.replace(os.getcwd(), "HERE").rstrip("\n") == case.message
    assert said.code == case.code
    assert said.out == ""
    assert not Path("runs").exists()


def test_the_recipe_they_differ_from_is_right() -> None:
    Path("r.yaml").write_text(RECIPE)
    assert dovetail("train", "r.yaml", "epochs=1").code == 0
