"""`cj` as a person or a scheduler calls it: another process, its words and its exit code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import chdir, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from functools import cached_property
from io import StringIO
from pathlib import Path
from typing import Any
from unittest.mock import patch

NOTEBOOKS = Path(__file__).parent / "views" / "notebooks"
CJ = [sys.executable, "-c", "from cjlib.cli import main; main()"]


@dataclass(frozen=True)
class Said:
    """What a call left behind."""

    code: int
    out: str
    err: str

    @cached_property
    def json(self) -> Any:
        return json.loads(self.out)


def environment(**more: str) -> dict[str, str]:
    """The tests' environment, in which neither libraries nor coverage tools add threads of their own."""
    return os.environ | {"OMP_NUM_THREADS": "1", "COLUMNS": "200"} | more


def cj(*arguments: object, cwd: Path | None = None, **more: str) -> Said:
    """Call `cj` and wait for its end."""
    done = subprocess.run(
        [*CJ, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=180,
        cwd=cwd,
        env=environment(**more),
        check=False,
        stdin=subprocess.DEVNULL,
    )
    return Said(done.returncode, done.stdout, done.stderr)


def here(*arguments: object, cwd: Path | None = None) -> Said:
    """Call `cj` in this process, which has everything loaded; notebooks run in processes forked from one that stays for the next call."""
    from cjlib.cli import app

    with (
        chdir(cwd or Path.cwd()),
        patch.dict(os.environ),  # what a run sets for its processes ends with it
        redirect_stdout(StringIO()) as out,
        redirect_stderr(StringIO()) as err,
    ):
        try:
            app([str(argument) for argument in arguments], prog_name="cj")
            code = 0
        except SystemExit as end:
            code = int(end.code or 0)
    return Said(code, out.getvalue(), err.getvalue())


def start(*arguments: object, **more: str) -> subprocess.Popen[str]:
    """Call `cj` and let it run."""
    return subprocess.Popen(
        [*CJ, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(**more),
        stdin=subprocess.DEVNULL,
    )


def only_run(out: Path) -> tuple[Path, Any]:
    """The folder and the run.json of the newest run."""
    folder = max((out / "runs").iterdir())
    return folder, json.loads((folder / "run.json").read_text(encoding="utf-8"))
