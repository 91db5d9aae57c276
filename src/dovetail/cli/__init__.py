"""The command line: verbs, each a few lines over the library. Nothing heavy is imported before it is needed."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

import typer

from ..recipe.errors import DovetailError
from .beginning import demo, fetch, list_parts, new, schema
from .looking import check, show, time_step
from .running import predict, resume, test, train
from .searching import compare, tune
from .words import say

VERBS: dict[str, Callable[..., None]] = {  # in the order of --help
    "train": train,
    "resume": resume,
    "test": test,
    "predict": predict,
    "show": show,
    "time": time_step,
    "compare": compare,
    "tune": tune,
    "check": check,
    "list": list_parts,
    "new": new,
    "schema": schema,
    "fetch": fetch,
    "demo": demo,
}

app = typer.Typer(
    help="Train whole systems, described in one short recipe.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for name, verb in VERBS.items():
    app.command(name=name)(verb)


def main() -> None:
    """Run the command line; exit code 0, 1 (it failed), 2 (you asked wrongly) or 128 + signal."""
    code: Any = 0
    try:
        app()
    except DovetailError as error:
        if error.exit_code == 1 or os.environ.get("RANK", "0") == "0":  # what all are told, one says
            say(str(error))
        code = error.exit_code
        if code > 2 and int(os.environ.get("TORCHELASTIC_MAX_RESTARTS", 0)):
            code = 0  # stopped and saved as asked: torchrun is not to start it anew
    except SystemExit as error:
        code = error.code
        if code == 130:  # Ctrl-C where there is nothing to save
            say("stopped")
    if int(os.environ.get("WORLD_SIZE", 1)) > 1:
        # gloo's threads may outlive the interpreter, whose end then aborts ("terminate called"), though all is done
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code or 0)
    sys.exit(code)
