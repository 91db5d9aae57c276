"""What the README shows is what happens: its recipe, its commands, its Python, its links and its tables."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
from commands import dovetail

from dovetail.recipe.recipe import load, parse

SPEEDS = ("vision", "synthetic")
ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


@pytest.fixture(autouse=True)
def _recipe() -> None:
    Path("small.yaml").write_text(blocks("yaml")[0])


def test_settings_shown_are_a_recipes() -> None:
    recipe, *more = blocks("yaml")
    for settings in more:
        section = re.match(r"\w+:", settings)
        assert section
        others = re.sub(rf"^{section[0]}.*?(?=^\S|\Z)", "", recipe, flags=re.MULTILINE | re.DOTALL)
        assert parse(others + settings) != parse(recipe)


def test_commands_run() -> None:
    for line in "".join(blocks("sh")).splitlines():
        name, *words = shlex.split(line, comments=True)
        assert name == "dovetail"
        said = dovetail(*words)
        assert said.code == 0, (line, said.err)


def test_the_mistake_is_answered_as_shown() -> None:
    shown = next(block for block in blocks("") if "kernal" in block).splitlines()
    Path("small.yaml").write_text(Path("small.yaml").read_text().replace("kernel: 5", "kernal: 5"))
    assert dovetail(*shown[0].split()[2:]).err.splitlines() == shown[1:]


@pytest.mark.parametrize("number", range(len(blocks("python"))))
def test_python_runs(number: int, capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(blocks("python")[number], f"README block {number}", "exec"), {"__name__": "readme"})
    assert capsys.readouterr().out


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert (ROOT / target).exists(), target


def test_figures_are_the_measured_ones() -> None:
    """What a benchmark wrote stands in the README's table and in the recipe itself."""
    results = json.loads((ROOT / "benchmarks/results/accuracy.json").read_text())["results"]
    for name, result in results.items():
        row = next(line for line in README.splitlines() if line.startswith("|") and f"`{result['command']}`" in line)
        percent = result["figure"] != "r2"
        shown = f"{100 * result['mean']:.2f} %" if percent else f"{result['mean']:.3f}"
        assert shown in row, (name, shown, row)
        assert shown in load(result["command"].split()[2]).about["ours"]


def test_proofs_are_the_measured_ones() -> None:
    results = {path.stem: json.loads(path.read_text()) for path in (ROOT / "benchmarks/results").glob("*.json")}
    faults, fuzz, creep = results["faults"], results["fuzz"], results["creep"]
    assert f"{faults['faults']:,} faults, {faults['losses']} losses" in README
    assert f"{fuzz['inputs']:,} inputs, {len(fuzz['findings'])} findings" in README
    assert (
        f"{creep['grown_mib']:+.1f} MiB, {creep['more_files']:+.0f} files, step time x {creep['slower']:.2f}" in README
    )
    for name, measured in results["processes"]["results"]["throughput"].items():
        assert re.search(rf"^\| {name} \|.*\| {measured['ratio']['median']:.2f} \|$", README, re.MULTILINE), name


def test_speeds_are_the_measured_ones() -> None:
    results = {name: json.loads((ROOT / f"benchmarks/results/{name}.json").read_text())["results"] for name in SPEEDS}
    titles = {
        "lenet": "LeNet 28x28",
        "vgg_a": "VGG-A 64x64",
        "googlenet": "GoogLeNet 64x64",
        "alexnet": "AlexNet 64x64",
    }
    for name, found in results["vision"].items():
        others = ("plain", "tuned", "lightning", "keras torch", "keras jax")
        ratios = " | ".join(f"{found[who]['against_ours']['median']:.2f}" for who in others)
        start, end = (
            re.escape(f"| {titles[name]}, batch"),
            re.escape(f"| {found['ours']['ms_a_step']:.1f} ms | {ratios} |"),
        )
        assert re.search(f"^{start}.*{end}$", README, re.MULTILINE), name
    for kind in ("affine and elastic, 28x28", "colour and blur, 32x32x3"):
        assert f"{results['synthetic'][kind]['dovetail, batch 256']['median']:,.0f}" in README
    assert f"takes {results['synthetic']['epoch']['ratio']:.2f} times one without" in README
