"""The command line as a scheduler sees it: exit codes, one line or one JSON object on stdout, and nothing published before all is well."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest
from commandline import NOTEBOOKS, Said, cj, here, only_run, start

from cjlib import platform
from cjlib.views.report import publishing

SECONDS = 8 if platform.FORKS else 40
"""Enough for the notebook that is well: where nothing is forked its process begins by loading all."""
MARKER = "s3cret-m4rker/with%signs"


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which three notebooks were published, and a journey with a hostile name."""
    folder = tmp_path_factory.mktemp("reports")
    said = here(
        "run",
        "ok",
        "second",
        "no_parameters",
        "--notebooks",
        NOTEBOOKS,
        "-P",
        "share=0.2",
        "-P",
        "periods=6",
        "--out",
        folder,
    )
    assert said.code == 0, said.err
    (folder / "first.txt").write_text(f"{said.out}\n---\n{said.err}")
    return folder


@pytest.fixture(scope="module")
def failed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Said]:
    """A run in which three notebooks fail, each in its own way, and one is through."""
    folder = tmp_path_factory.mktemp("failed")
    return folder, here(
        "run",
        "ok",
        "broken",
        "slow",
        "dead_kernel",
        "--notebooks",
        NOTEBOOKS,
        "--timeout",
        SECONDS,
        "--out",
        folder,
    )


# ---- before anything runs --------------------------------------------------------------------------------------------


def test_a_mistyped_parameter_is_answered_with_a_suggestion_before_anything_runs(tmp_path):
    said = cj("run", "ok", "--notebooks", NOTEBOOKS, "-P", "shar=0.3", "--out", tmp_path / "out")
    assert said.code == 2
    assert (
        said.err
        == "cj: unknown parameter 'shar'. Did you mean 'share'? ok has: journey, share, code, checked. `cj list` says what each means.\n"
    )
    assert said.out == ""
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["-P", "share=much"], 2, "share: ok needs a number. Got 'much'."),
        (
            ["--journey", "absent.yml"],
            2,
            "--journey: there is no file 'absent.yml'. Give a journey file, or make one from your data: cj init FILE.",
        ),
        (["--data", "absent"], 2, "--data: there is no folder 'absent'."),
        (["--alert", "conversion"], 2, "--alert: must be a metric"),
        (["--params", "absent.yml"], 2, "--params: 'absent.yml' cannot be read"),
    ],
)
def test_wrong_usage_ends_with_2_and_says_what_to_do(tmp_path, arguments, code, words):
    said = here("run", "ok", "--notebooks", NOTEBOOKS, "--out", tmp_path / "out", *arguments)
    assert (said.code, said.out) == (code, "")
    assert words in said.err
    assert "Traceback" not in said.err


def test_an_unknown_notebook_is_answered_with_the_nearest_and_as_json_if_asked(tmp_path):
    said = here("run", "secnd", "--notebooks", NOTEBOOKS, "--json")
    assert said.code == 2
    assert said.json["exit_code"] == 2
    assert said.json["error"].startswith("notebook: there is no 'secnd'. Did you mean 'second'?")


def test_a_broken_journey_file_ends_with_2_before_any_notebook_runs(tmp_path):
    file = tmp_path / "journey.yml"
    file.write_text("name: x\nstages: []\nsuorces: {}\n")
    said = here("run", "ok", "--notebooks", NOTEBOOKS, "--journey", file, "--out", tmp_path / "out")
    assert said.code == 2
    assert "suorces" in said.err
    assert "Traceback" not in said.err
    assert not (tmp_path / "out" / "runs").exists()


def test_help_names_every_command():
    said = here("--help")
    assert said.code == 0
    assert all(f"\n  {name} " in said.out for name in ("run", "list", "check", "init", "sample"))


def test_list_says_type_default_and_meaning_of_every_parameter():
    said = here("list", "ok", "--notebooks", NOTEBOOKS)
    assert said.code == 0
    assert "ok  How many buy?" in said.out
    assert next(line.split() for line in said.out.splitlines() if "share" in line)[:4] == [
        "share",
        "a",
        "number",
        "0.204",
    ]
    assert "what the figure shows, share" in said.out
    told = here("list", "--notebooks", NOTEBOOKS, "--json").json
    assert told["ok"]["parameters"]["code"] == {
        "kind": "text",
        "default": "'007'",
        "meaning": "an id that looks like a number, text",
    }
    assert told["no_parameters"]["parameters"] == {}


# ---- a run that goes well ----------------------------------------------------------------------------------------


def test_a_run_publishes_every_report_and_says_so_in_one_line(out):
    line, _, progress = (out / "first.txt").read_text().partition("\n\n---\n")
    assert line.startswith(f"3 reports: {out}/index.html · ")
    assert line.endswith(" s")
    assert sorted(one.split(":")[0] for one in progress.splitlines()) == [
        "no_parameters",
        "ok",
        "second",
    ]
    assert "\x1b" not in progress
    assert {path.name for path in out.glob("*.html")} == {
        "ok.html",
        "second.html",
        "no_parameters.html",
        "index.html",
        "runs.html",
    }


def test_parameters_reach_the_notebooks_that_have_them_with_their_types(out):
    _, told = only_run(out)
    assert {name: one["parameters"] for name, one in told["notebooks"].items()} == {
        "ok": {"share": 0.2},
        "second": {"periods": 6},
        "no_parameters": {},
    }
    assert "6 periods" in (out / "second.html").read_text()
    assert "200 of 1,000 customers (20.0%) bought." in (out / "ok.html").read_text().replace(
        "20.0%", "20.0%"
    )


def test_run_json_keeps_definitions_metrics_versions_and_states(out):
    folder, told = only_run(out)
    assert (told["schema"], told["id"], told["status"], told["exit_code"]) == (
        1,
        folder.name,
        "ok",
        0,
    )
    assert told["started"] <= told["finished"]
    assert told["versions"].keys() == {"cjlib", "python", "plotly"}
    one = told["notebooks"]["ok"]
    assert (one["status"], one["error"], one["title"]) == ("ok", None, "How many buy?")
    assert one["results"][0]["definition"] == {
        "steps": "visit, buy",
        "window": "14 days",
        "code": "007",
    }
    conversion = one["results"][0]["metrics"]["conversion"]
    assert [conversion[part] for part in ("value", "low", "high", "n")] == pytest.approx(
        [0.2, 0.175, 0.225, 1000]
    )
    assert {path.suffix for path in folder.iterdir()} == {".json", ".ipynb", ".html", ".log"}


def test_executed_notebooks_are_kept_and_ours_are_not_touched(out):
    folder, _ = only_run(out)
    executed = nbformat.read(folder / "ok.ipynb", as_version=4)
    assert any("injected-parameters" in cell.metadata.get("tags", []) for cell in executed.cells)
    assert all(
        not cell.get("outputs")
        for cell in nbformat.read(NOTEBOOKS / "ok.ipynb", as_version=4).cells
    )


def test_the_kernels_notice_of_unencrypted_tcp_reaches_nobody(out):
    folder, _ = only_run(out)
    assert "TCP" not in "".join(path.read_text() for path in folder.glob("*.log"))
    assert "TCP" not in (out / "first.txt").read_text()


def test_an_alert_ends_the_next_run_with_4_publishes_it_and_says_what_moved(out):
    before = (out / "second.html").read_bytes()
    said = here(
        "run",
        "ok",
        "--notebooks",
        NOTEBOOKS,
        "-P",
        "share=0.3",
        "--alert",
        "conversion>0.25",
        "--alert",
        "conversion<0.1",
        "--shared-assets",
        "--json",
        "--out",
        out,
    )
    assert said.code == 4, said.err
    told = said.json
    assert (told["status"], told["exit_code"], told["notebooks"]["ok"]["report"]) == (
        "ok",
        4,
        str(out / "ok.html"),
    )
    assert [(one["alert"], one["fired"]) for one in told["alerts"]] == [
        ("conversion>0.25", True),
        ("conversion<0.1", False),
    ]
    index = (out / "index.html").read_text()
    assert "10.0 points better than before (20.0%)" in index
    assert "Set differently in the two runs: share." in index
    assert "Alert in the newest run." in index
    page = (out / "ok.html").read_text()
    asset = page.split('data-src="')[1].split('"')[0]
    assert (out / asset).stat().st_size > 1_000_000
    assert len(page) <= 120_000
    assert (out / "second.html").read_bytes() == before


# ---- runs that fail ----------------------------------------------------------------------------------------------


def test_one_failed_notebook_ends_with_1_and_publishes_nothing(failed):
    folder, said = failed
    assert said.code == 1
    assert said.out.startswith("3 of 4 notebooks failed; nothing was published. See ")
    assert "to publish the others, name them: cj run ok …" in said.out
    assert "Traceback" not in said.err
    assert sorted(path.name for path in folder.glob("*.html")) == ["index.html", "runs.html"]
    run, told = only_run(folder)
    assert told["status"] == "failed"
    assert {name: one["status"] for name, one in told["notebooks"].items()} == {
        "ok": "ok",
        "broken": "failed",
        "slow": "failed",
        "dead_kernel": "failed",
    }
    assert {path.name for path in run.glob("*.html")} == {
        "ok.html",
        "broken.html",
        "slow.html",
        "dead_kernel.html",
    }


def test_each_failed_notebook_says_where_and_why(failed):
    _, told = only_run(failed[0])
    errors = {
        name: (one["error"]["section"], one["error"]["type"], one["error"]["message"])
        for name, one in told["notebooks"].items()
        if one["error"]
    }
    assert errors == {
        "broken": ("The division", "ZeroDivisionError", "division by zero"),
        "slow": ("Waiting", "Timeout", f"it had not finished after {SECONDS} seconds (--timeout)"),
        "dead_kernel": (
            "The end",
            "Stopped",
            "its process ended before the notebook had finished: it ran out of memory, or a library crashed (exit code 1)",
        ),
    }


def test_the_page_of_a_failed_run_keeps_what_was_known_and_folds_the_traceback(failed):
    run, _ = only_run(failed[0])
    page = (run / "broken.html").read_text()
    assert "This run failed at “The division”" in page
    assert "this much was known" in page
    assert "Never reached" not in page
    assert "papermill" not in page.split("<body")[1].split('id="cj-plotly')[0]
    assert page.index("<summary>Where it happened") < page.index('<span class="ansi-red')
    assert f'href="runs/{run.name}/broken.html"' in (failed[0] / "runs.html").read_text()
    assert "There is no report yet." in (failed[0] / "index.html").read_text()


def test_data_beyond_the_quarantine_limit_ends_with_3_and_leaves_the_published_report(tmp_path):
    (tmp_path / "data_error.html").write_text("published")
    said = here("run", "data_error", "--notebooks", NOTEBOOKS, "--out", tmp_path)
    assert said.code == 3
    assert (
        "data_error: failed: DataError: source: 12% of the rows are in quarantine; the limit is 5%."
        in said.err
    )
    assert (tmp_path / "data_error.html").read_text() == "published"


def test_a_secret_is_in_nothing_that_is_written_or_printed(tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("CJ_TEST_SECRET", MARKER)
    folder, journey = tmp_path / "out", tmp_path / "journey.yml"
    journey.write_text("name: x\n")
    notebook = nbformat.read(NOTEBOOKS / "secret.ipynb", as_version=4)
    notebook.cells.insert(
        0,
        nbformat.v4.new_code_cell(
            'url: str = "none"  # where the data is, address', metadata={"tags": ["parameters"]}
        ),
    )
    nbformat.write(notebook, tmp_path / "secret.ipynb")
    said = here(
        "run",
        tmp_path / "secret.ipynb",
        "-P",
        "url=postgresql://me:${CJ_TEST_SECRET}@host/db",
        "--out",
        folder,
        "--json",
    )
    of_processes = "".join(capfd.readouterr())
    assert said.code == 1
    written = {
        path: path.read_text(encoding="utf-8", errors="replace")
        for path in tmp_path.rglob("*")
        if path.is_file()
    }
    assert {path.suffix for path in written} >= {".ipynb", ".html", ".json", ".log"}
    printed = {"stdout": said.out, "stderr": said.err, "processes": of_processes}
    for place, text in {**written, **printed}.items():
        assert "m4rker" not in text, place
    assert (
        "cannot connect to postgresql://me:•••@host/db"
        in said.json["notebooks"]["secret"]["error"]["message"]
    )


# ---- signals -----------------------------------------------------------------------------------------------------


def _wait_for_kernel(out: Path, process: object) -> Path:
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        found = [path for path in out.glob("runs/*/slow.ipynb") if '"running"' in path.read_text()]
        if found:
            return found[0].parent
        assert process.poll() is None, process.communicate()  # type: ignore[attr-defined]
        time.sleep(0.1)
    raise AssertionError("the notebook did not start")


def _kernels_of(out: Path) -> list[int]:
    """The processes that still work in a run's name."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if f"CJ_TEST={out}".encode() in (folder / "environ").read_bytes():
                found.append(int(folder.name))
        except OSError:
            continue
    return found


def _gone(out: Path) -> bool:
    deadline = time.monotonic() + 20
    while _kernels_of(out) and time.monotonic() < deadline:
        time.sleep(0.1)
    return not _kernels_of(out)


def _interrupted(process: object, out: Path, code: int) -> None:
    printed, told = process.communicate(timeout=30)  # type: ignore[attr-defined]
    assert process.returncode == code, told  # type: ignore[attr-defined]
    assert printed == ""
    assert "Traceback" not in told
    assert _gone(out)


def test_sigterm_ends_kernels_and_leaves_an_interrupted_run(tmp_path):
    process = start(
        "run", "slow", "--notebooks", NOTEBOOKS, "--out", tmp_path, CJ_TEST=str(tmp_path)
    )
    _wait_for_kernel(tmp_path, process)
    refused = here("run", "ok", "--notebooks", NOTEBOOKS, "--out", tmp_path)
    assert refused.code == 2
    assert f"another run is writing there (process {process.pid}, since " in refused.err
    process.send_signal(signal.SIGTERM)
    _interrupted(process, tmp_path, 143)
    assert only_run(tmp_path)[1]["status"] == "interrupted"
    assert "interrupted; nothing was published" in (tmp_path / "runs.html").read_text()


def test_an_interrupt_while_libraries_load_ends_with_130(tmp_path):
    process = start(
        "run", "slow", "--notebooks", NOTEBOOKS, "--out", tmp_path, CJ_TEST=str(tmp_path)
    )
    deadline = time.monotonic() + 60
    while not (tmp_path / ".lock").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _interrupted(process, tmp_path, 130)


def test_a_killed_run_takes_its_kernels_along_and_is_recovered_as_interrupted(tmp_path):
    process = start(
        "run", "slow", "--notebooks", NOTEBOOKS, "--out", tmp_path, CJ_TEST=str(tmp_path)
    )
    folder = _wait_for_kernel(tmp_path, process)
    process.kill()
    process.communicate(timeout=30)
    assert json.loads((folder / "run.json").read_text())["status"] == "running"
    assert _gone(tmp_path)
    assert publishing.recover(tmp_path) == [
        f"run {folder.name} had been cut off; it is listed as interrupted"
    ]


@pytest.mark.parametrize("seconds", [0.5, 2])
def test_a_run_that_is_killed_in_its_first_seconds_leaves_no_process(tmp_path, seconds):
    process = start(
        "run", "slow", "--notebooks", NOTEBOOKS, "--out", tmp_path, CJ_TEST=str(tmp_path)
    )
    time.sleep(seconds)
    process.kill()
    process.communicate(timeout=30)
    assert _gone(tmp_path)


# ---- the other commands ------------------------------------------------------------------------------------------


def test_init_writes_a_first_journey_and_never_over_one_that_is_there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = ["user,action,when"] + [
        f"u{n % 9},{name},2025-01-{1 + n % 28:02d}T10:00:00Z"
        for n in range(60)
        for name in ("visit", "buy")
    ]
    (tmp_path / "log.csv").write_text("\n".join(rows))
    first = here("init", "log.csv")
    assert (first.code, first.out) == (
        0,
        "journey.yml: read it, decide where it asks you to, then `cj check journey.yml`\n",
    ), first.err
    assert "log.csv" in (tmp_path / "journey.yml").read_text()
    second = here("init", "log.csv")
    assert second.code == 2
    assert (
        "--out: 'journey.yml' is there already. Give another name with --out, or overwrite it with --force."
        in second.err
    )
    assert here("init", "--template", "saas", "--force").code == 0
    assert "log.csv" not in (tmp_path / "journey.yml").read_text()


def test_init_wants_either_a_file_or_a_known_template(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "give either a file of events" in here("init").err
    said = here("init", "--template", "sass")
    assert said.code == 2
    assert "--template: must be one of" in said.err
    assert "Did you mean 'saas'?" in said.err
    assert (
        "or one of feedback (cj init --feedback reviews.csv)"
        in here("init", "--feedback", "comments.csv", "--template", "saas").err
    )
    assert (
        "--time: names a column of one file of events: cj init events.csv --time COLUMN."
        in here("init", "--template", "saas", "--time", "t").err
    )


def test_init_takes_the_columns_it_is_told_and_feedback_alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = [
        f"o{n},m{n % 7},k{n % 3},2024-01-{1 + n % 28:02d},fine and easy to use {n}"
        for n in range(60)
    ]
    (tmp_path / "log.csv").write_text(
        "order,member,kind,day,said\n" + "\n".join(rows), encoding="utf-8"
    )
    assert (
        here("init", "log.csv", "--customer", "order", "--event", "kind", "--time", "day").code == 0
    )
    assert all(
        f"{column}: {ours}" in (tmp_path / "journey.yml").read_text()
        for column, ours in (("order", "customer_id"), ("kind", "event"))
    )
    assert (
        "init customer: there is no column 'membr'. Did you mean 'member'?"
        in here("init", "log.csv", "--force", "--customer", "membr").err
    )
    assert here("init", "--feedback", "log.csv", "--force").code == 0
    assert here("check", "journey.yml").out.endswith(
        "60 answers read; the journey file names no events.\n"
    )


def test_check_speaks_of_what_the_journey_file_counts(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("events.csv").write_text(
        "customer_id,event,timestamp,account\nann,visit,2025-01-01,acme\nben,buy,2025-01-02,acme\n"
    )
    Path("journey.yml").write_text(
        "name: Shop\ntimezone: UTC\nsources: {events: {path: events.csv}}\ngrain: account\n"
        "stages: [{name: All, touchpoints: [{name: shop, events: [visit, buy]}]}]\n"
    )
    said = here("check", "journey.yml")
    assert said.code == 0, said.err
    assert "accounts" in said.out
    assert "customers" not in said.out


def test_check_shows_the_commonest_of_very_many_events_and_counts_the_rest(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = [f"c{n % 50},e{n % 300},2024-01-01T00:{n % 60:02d}:00Z" for n in range(900)]
    (tmp_path / "log.csv").write_text(
        "customer_id,event,timestamp\n" + "\n".join(rows), encoding="utf-8"
    )
    assert here("init", "log.csv").code == 0
    assert "  and 100 more\n" in here("check", "journey.yml").out


def test_init_guesses_the_columns_of_feedback_too(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = ["user,action,when"] + [
        f"u{n % 9},{name},2025-01-{1 + n % 28:02d}T10:00:00Z"
        for n in range(60)
        for name in ("visit", "buy")
    ]
    (tmp_path / "log.csv").write_text("\n".join(rows))
    said = ["who,on,how likely to recommend us,words"] + [
        f"u{n % 9},2025-02-{1 + n % 28:02d},{n % 11},I like it a lot {n}" for n in range(40)
    ]
    (tmp_path / "said.csv").write_text("\n".join(said))
    assert here("init", "log.csv", "--feedback", "said.csv").code == 0
    assert "how likely to recommend us: nps" in (tmp_path / "journey.yml").read_text()
    checked = here("check", "journey.yml")
    assert checked.code == 0, checked.err
    assert "Quality of the feedback" in checked.out


def test_sample_and_check_make_a_business_and_say_what_is_in_it(tmp_path):
    made = here("sample", "--out", tmp_path / "sample", "--customers", 300)
    assert made.code == 0, made.err
    assert {"events.parquet", "feedback.parquet", "customers.parquet", "journey.yml"} <= set(
        os.listdir(tmp_path / "sample")
    )
    said = here("check", tmp_path / "sample" / "journey.yml")
    assert said.code == 0, said.err
    for title in (
        "Events in the log",
        "Quality: what was read, used and left out",
        "In the log, not in the journey file",
        "In the journey file, never in the log",
    ):
        assert title in said.out


def test_a_journey_file_that_is_not_there_is_told_before_anything_that_reads_data_is_imported(
    tmp_path,
):
    code = "import atexit, sys; from cjlib.cli import main; atexit.register(lambda: print(sorted({'pandas', 'duckdb'} & set(sys.modules)))); main()"
    said = subprocess.run(
        [sys.executable, "-c", code, "check", "absent.yml"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (said.returncode, said.stdout) == (2, "[]\n")
    assert (
        said.stderr
        == "cj: journey: there is no file 'absent.yml'. `cj init FILE` writes a first one from your data.\n"
    )


def test_check_of_missing_data_ends_with_3_and_of_a_missing_file_with_2(tmp_path):
    here("sample", "--out", tmp_path, "--customers", 50)
    (tmp_path / "events.parquet").unlink()
    missing = here("check", tmp_path / "journey.yml")
    assert missing.code == 3
    assert "events.parquet" in missing.err
    assert here("check", tmp_path / "absent.yml").code in (2, 3)
    assert "Traceback" not in missing.err


def test_a_folder_of_data_may_lie_elsewhere(tmp_path, monkeypatch):
    monkeypatch.setenv("CJ_DATA", "")
    here("sample", "--out", tmp_path / "data", "--customers", 50)
    (tmp_path / "data" / "journey.yml").rename(tmp_path / "journey.yml")
    assert here("check", tmp_path / "journey.yml").code == 3
    assert here("check", tmp_path / "journey.yml", "--data", tmp_path / "data").code == 0


def test_without_debug_there_is_no_traceback_and_with_it_there_is(tmp_path):
    (tmp_path / "file").write_text("a file where a folder should be")
    below = tmp_path / "file" / "sample"
    said = here("sample", "--out", below)
    assert said.code == 1
    assert said.err == f"cj: {below}: Not a directory\n"
    assert "Traceback" in here("sample", "--out", below, "--debug").err


# ---- whose reports ---------------------------------------------------------------------------------------------------


def business(folder: Path, name: str) -> Path:
    """A folder with a journey file of its own."""
    folder.mkdir()
    (folder / "events.csv").write_text("customer_id,event,timestamp\na,visit,2025-01-01\n")
    file = folder / "journey.yml"
    file.write_text(
        f"name: {name}\nsources: {{events: {{path: events.csv}}}}\ntimezone: UTC\n"
        "stages: [{name: A, touchpoints: [{name: site, events: [visit]}]}]\n"
        "funnels: {purchase: {steps: [visit, buy], window: 7D}}\n"
    )
    return file


def test_the_journey_file_of_the_folder_is_the_one_that_is_run(tmp_path):
    file = business(tmp_path / "shop", "The shop")
    said = here("run", "ok", "--notebooks", NOTEBOOKS, cwd=file.parent)
    assert said.code == 0, said.err
    _, facts = only_run(file.parent / "reports")
    assert (facts["journey"], facts["journey_file"]) == ("The shop", str(file))


def test_the_sample_is_run_only_by_name(tmp_path):
    said = here("run", "funnel", cwd=tmp_path)
    assert said.code == 2
    assert said.err.startswith("cj: --journey: there is no journey.yml in this folder.")
    assert list(tmp_path.iterdir()) == []


def test_reports_of_another_business_are_never_overwritten(tmp_path):
    shop, bank = business(tmp_path / "shop", "The shop"), business(tmp_path / "bank", "The bank")
    first = ["run", "second", "--notebooks", NOTEBOOKS, "--out", tmp_path / "out", "--journey"]
    assert here(*first, shop).code == 0
    page = (tmp_path / "out" / "second.html").read_bytes()
    said = here(*first, bank)
    assert (said.code, said.out) == (2, "")
    assert f"holds the reports of 'The shop' ({shop})" in said.err
    assert "Give 'The bank' another folder with --out" in said.err
    assert (tmp_path / "out" / "second.html").read_bytes() == page
    assert len(list((tmp_path / "out" / "runs").iterdir())) == 1
    moved = shop.parent.rename(tmp_path / "moved") / "journey.yml"
    assert here(*first, moved).code == 0


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("window=7", "window: 01_funnel needs a duration such as 14D or 30min, or none or empty."),
        ("funnel=purchse", "funnel: must be one of 'purchase'. Got 'purchse'. Did you mean"),
        ("start=soon", "start: 01_funnel needs a day such as 2025-03-01, or empty. Got 'soon'."),
    ],
)
def test_a_parameter_that_names_nothing_is_refused_before_anything_starts(tmp_path, option, words):
    file = business(tmp_path / "shop", "The shop")
    said = here("run", "funnel", "--journey", file, "--out", tmp_path / "out", "-P", option)
    assert (said.code, said.out) == (2, "")
    assert words in said.err
    assert not (tmp_path / "out").exists()
