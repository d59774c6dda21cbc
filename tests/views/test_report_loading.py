"""What kernels find loaded, and in which order notebooks are begun."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from cjlib.views.report.discovery import find_notebooks
from cjlib.views.report.job import Job
from cjlib.views.report.preload import EVERY, MODELS, asked, fits_models
from cjlib.views.report.redaction import Mask
from cjlib.views.report.run import in_turn

SHIPPED = Path(__file__).parents[2] / "notebooks"


def test_a_notebook_asks_for_the_modules_of_the_names_in_its_code():
    assert asked(
        "import cjlib as cj\ncj.plot(cj.funnel(log, cj.Step('a')))\ncj.nothing_of_ours()"
    ) == {
        "cjlib.views.plots",
        "cjlib.analyses.funnel",
    }
    assert asked("print('no')") == frozenset()


def test_the_shipped_notebooks_that_fit_models_are_known():
    fitting = {one.name for one in find_notebooks([], SHIPPED) if fits_models(one.modules)}
    assert fitting == {"03_sentiment", "04_churn", "05_paths", "06_journey_map"}


def test_everything_that_is_to_be_loaded_can_be_and_starts_no_thread():
    code = f"""
        import importlib, os, threading
        os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        for name in {[*EVERY, *MODELS]!r}:
            module, _, function = name.partition(":")
            loaded = importlib.import_module(module)
            if function:
                getattr(loaded, function)()
        assert threading.active_count() == 1, threading.enumerate()
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True)


def _job(name: str, *, fits: bool) -> Job:
    return Job(
        name=name,
        source=Path(name),
        folder=Path(),
        parameters={},
        mask=Mask([]),
        frame={},
        fits_models=fits,
    )


JOBS = [
    _job("short", fits=False),
    _job("shorter", fits=False),
    _job("long", fits=True),
    _job("longest", fits=True),
    _job("middle", fits=False),
]
SIZES = {"short": 20, "shorter": 10, "middle": 30, "long": 40, "longest": 50}


@pytest.mark.parametrize(
    ("slots", "names"),
    [
        (1, ["longest", "long", "middle", "short", "shorter"]),
        (2, ["middle", "longest", "long", "short", "shorter"]),
        (4, ["middle", "short", "longest", "long", "shorter"]),
        (64, ["middle", "short", "shorter", "longest", "long"]),
    ],
)
def test_the_longest_begin_first_save_where_some_wait_for_the_libraries_of_models(slots, names):
    assert [job.name for job in in_turn(JOBS, SIZES, slots)] == names


def test_where_none_fits_models_the_longest_begins_first():
    plain = [job for job in JOBS if not job.fits_models]
    assert [job.name for job in in_turn(plain, SIZES, 4)] == ["middle", "short", "shorter"]


def test_a_kernel_that_needs_all_waits_for_it_and_no_other_does(tmp_path):
    (tmp_path / "comes_first.py").write_text("import time\ntime.sleep(0.5)\n", encoding="utf-8")
    (tmp_path / "comes_later.py").write_text(
        "import pathlib, time\ntime.sleep(0.5)\npathlib.Path('loaded').touch()\n", encoding="utf-8"
    )
    code = """
        import pathlib
        from cjlib.views.report.nursery import Nursery
        nursery = Nursery(["comes_first", "there_is_no_such_module"], ["comes_later"])
        soon = nursery.kernel(["-f", "soon.json"], ".")
        assert not pathlib.Path("loaded").exists()
        late = nursery.kernel(["-f", "late.json"], ".", all_loaded=True)
        assert pathlib.Path("loaded").exists()
        for kernel in (soon, late):
            assert kernel.poll() is None
            kernel.kill()
            assert kernel.wait(10) == 1
        nursery.close()
    """
    subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        check=True,
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path)},
        timeout=60,
    )


def test_a_nursery_that_nobody_needs_any_more_ends_at_once_whatever_it_is_loading(tmp_path):
    (tmp_path / "takes_long.py").write_text("import time\ntime.sleep(60)\n", encoding="utf-8")
    code = "from cjlib.views.report.nursery import Nursery\nNursery(['takes_long']).close()"
    subprocess.run(
        [sys.executable, "-c", code], check=True, env={"PYTHONPATH": str(tmp_path)}, timeout=20
    )
