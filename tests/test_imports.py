"""Imports run one way, and nothing heavy is imported before it is used."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import dovetail

ROOT = Path(dovetail.__file__).parent
MAY_IMPORT = {
    "recipe": set(),
    "kernels": {"recipe"},
    "layers": {"recipe", "kernels"},
    "objectives": {"recipe", "automata"},
    "optim": {"recipe", "kernels"},
    "data": {"recipe", "automata"},
    "training": {"recipe", "layers", "objectives", "optim", "data", "synthetic"},
    "synthetic": {"recipe"},
    "automata": {"recipe", "kernels"},
    "proofs": {"recipe", "training"},
    "timing": {"recipe", "data", "training"},
    "search": {"recipe"},
    "tuning": {"recipe", "search", "training"},
    "report": {"recipe", "search", "timing", "training", "tuning"},
    "cli": {"recipe", "data", "training", "proofs", "timing", "tuning", "report"},
    "estimators": {"recipe", "data", "training"},
    "__init__": {
        "recipe",
        "layers",
        "objectives",
        "optim",
        "data",
        "synthetic",
        "training",
        "timing",
        "tuning",
        "estimators",
    },
    "__main__": {"cli"},
}
ONLY_SYSTEM_MODULES = {"layers", "objectives"}


def rooms_imported(path: Path) -> set[str]:
    """The rooms of dovetail that a file imports, at any depth of its syntax tree."""
    inside = path.relative_to(ROOT).parts
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            if node.level:
                base = ["dovetail", *inside[: len(inside) - node.level]]
                module = base + (node.module.split(".") if node.module else [])
            else:
                module = (node.module or "").split(".")
            if module[0] == "dovetail":
                found |= {module[1]} if len(module) > 1 else {alias.name for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name.split(".")[1] for alias in node.names if alias.name.startswith("dovetail.")}
    return found & {path.stem for path in ROOT.iterdir()}


@pytest.mark.parametrize("path", sorted(ROOT.rglob("*.py")), ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_run_one_way(path: Path) -> None:
    room = path.relative_to(ROOT).parts[0].removesuffix(".py")
    wrong = rooms_imported(path) - MAY_IMPORT[room] - {room}
    assert not wrong, f"{path.relative_to(ROOT)} imports {wrong}"


def test_files_stay_short() -> None:
    lengths = {str(p.relative_to(ROOT)): len(p.read_text().splitlines()) for p in ROOT.rglob("*.py")}
    assert {name: n for name, n in lengths.items() if n > 400} == {}
    assert lengths["training/trainer.py"] < 300


def modules_after(code: str) -> set[str]:
    """The top-level modules that are loaded in a fresh process after running some code."""
    script = f"import sys\n{code}\nprint(*{{name.split('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


def test_help_does_not_import_torch() -> None:
    script = "sys.argv = ['dovetail', '--help']\nfrom dovetail.cli import main\ntry: main()\nexcept SystemExit: pass"
    assert not modules_after(script) & {"torch", "numpy", "sklearn", "yaml", "pydantic"}


def test_training_does_not_import_what_it_does_not_use() -> None:
    script = "import dovetail as dt\ndt.train, dt.conv, dt.softmax, dt.digits, dt.sgd, dt.Run"
    script += "\ndt.compare, dt.find_rate, dt.parse('{network: flatten, objective: softmax, data: digits}')"
    assert not modules_after(script) & {"sklearn", "matplotlib", "pyarrow", "scipy", "PIL", "rich", "pandas"}
