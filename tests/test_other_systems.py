"""As on Windows: no fork, no fcntl, no process groups, spawned processes, files with CRLF, and no trust in the machine's encoding."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from commandline import NOTEBOOKS, environment

ROOT = Path(__file__).parents[1]
ELSEWHERE = ROOT / "tests" / "other_system"
POSIX = re.compile(
    r"\bos\.(fork|forkpty|geteuid|getuid|killpg|setsid|sysconf|uname|mkfifo|chown)\b|\bSIGKILL\b|\bSIGHUP\b"
)
JOURNEY = "name: Café\r\nsources: {events: {path: events.csv}}\r\nstages: [{name: All, touchpoints: [view, buy]}]\r\n"


def elsewhere(code: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run code in a process of the other system."""
    paths = os.pathsep.join([str(ELSEWHERE), str(ROOT)])
    return subprocess.run(
        [sys.executable, "-X", "warn_default_encoding", "-c", code],
        cwd=cwd,
        env=environment(PYTHONPATH=paths, PYTHONUTF8="0", PYTHONIOENCODING="cp1252"),
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )


@pytest.fixture
def shop(tmp_path) -> Path:
    rows = [
        "customer_id,event,timestamp",
        *(
            f"ü{n},{name},2025-01-{1 + n:02d}T10:00:00Z"
            for n in range(20)
            for name in ("view", "buy")
        ),
    ]
    (tmp_path / "events.csv").write_bytes("\r\n".join(rows).encode())
    (tmp_path / "journey.yml").write_bytes(JOURNEY.encode())
    return tmp_path


def test_a_journey_and_its_log_are_read(shop):
    code = (
        "import cjlib as cj; log = cj.read_journey('journey.yml').read_events(); "
        "print(log.n_events, cj.funnel(log, ['view', 'buy'], window='9D').table['customers'].tolist())"
    )
    said = elsewhere(code, shop)
    assert (said.returncode, said.stdout.split("\n")[0]) == (0, "40 [20, 20]"), said.stderr


def test_a_notebook_is_run_and_published_in_spawned_processes(shop):
    code = f"import sys; from cjlib.cli import main; sys.argv = ['cj', 'run', {str(NOTEBOOKS / 'ok.ipynb')!r}, '--json']; main()"
    said = elsewhere(f"if __name__ == '__main__':\n    {code}", shop)
    assert said.returncode == 0, said.stderr
    assert json.loads(said.stdout)["status"] == "ok"
    names = [path.name for path in (shop / "reports").rglob("*")]
    assert "ok.html" in names
    assert [name for name in names if re.search(r'[<>:"|?*\\]|[. ]$', name)] == []


def test_what_is_said_is_utf8_whatever_the_code_page(shop):
    code = (
        "import sys; from cjlib.cli import main; sys.argv = ['cj', 'check', 'journey.yml']; main()"
    )
    said = elsewhere(code, shop)
    assert said.returncode == 0, said.stderr
    assert "\ufffd" not in said.stdout


def test_only_platform_asks_the_system_for_what_not_every_system_has():
    asked = {
        str(path.relative_to(ROOT)): found
        for path in (ROOT / "cjlib").rglob("*.py")
        if path.name != "platform.py" and (found := POSIX.findall(path.read_text(encoding="utf-8")))
    }
    assert asked == {}
