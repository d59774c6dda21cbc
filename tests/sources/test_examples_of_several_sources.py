"""The two made-up businesses of several sources in data/examples: small, made by the script, whole from check to report."""

import importlib.util
import sys
from pathlib import Path

import pytest

import cjlib as cj
from cjlib.sources.journey.check import check_journey
from tests.commandline import here

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "data" / "examples"
NAMES = ["lamp_shop", "fleet_software"]


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("made", ROOT / "scripts" / "make_examples.py")
    made = importlib.util.module_from_spec(spec)
    monkeypatch = pytest.MonkeyPatch()
    monkeypatch.setitem(sys.modules, "made", made)  # dataclasses look for their module
    spec.loader.exec_module(made)
    yield made
    monkeypatch.undo()


@pytest.mark.parametrize("name", NAMES)
def test_an_example_is_small_and_fits_its_journey_file(name):
    files = [path for path in (EXAMPLES / name).rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= 300_000
    check = check_journey(EXAMPLES / name / "journey.yml")
    assert check.exit_code == 0
    assert len(check.unmapped) == len(check.silent) == 0
    assert check.log.quality["source"].nunique() >= 4
    assert check.log.quarantine.empty


@pytest.mark.parametrize("name", NAMES)
def test_the_script_makes_the_example_again(name, script, tmp_path):
    pytest.importorskip("xlsxwriter")
    getattr(script, name)(tmp_path)
    (tmp_path / "journey.yml").write_bytes((EXAMPLES / name / "journey.yml").read_bytes())
    here, there = (
        cj.read_journey(folder / "journey.yml").read_events()
        for folder in (tmp_path, EXAMPLES / name)
    )
    assert here.engine.rows("FROM prepared") == there.engine.rows("FROM prepared")
    assert here.quality.equals(there.quality)


def test_the_shop_counts_paid_orders_once_and_across_its_sources():
    journey = cj.read_journey(EXAMPLES / "lamp_shop" / "journey.yml")
    log = journey.read_events()
    placed, sent = (
        log.table().set_index("event")["events"][one] for one in ("order placed", "parcel sent")
    )
    assert placed == sent
    left = log.quality[log.quality["check"] == "left out by where"]
    assert left["source"].tolist() == ["shop"]
    found = cj.funnel(log, **journey.funnel("delivery")).table
    assert found["customers"].nunique() == 1
    assert set(log.columns) >= {"country", "medium", "source", "month"}


@pytest.mark.parametrize("name", NAMES)
def test_an_example_runs(name, tmp_path):
    file = EXAMPLES / name / "journey.yml"
    said = here("run", "01_funnel", "--journey", file, "--out", tmp_path, cwd=ROOT)
    assert said.code == 0, said.err
    assert "order placed" in (text := (tmp_path / "01_funnel.html").read_text()) or "won" in text


def test_the_software_is_counted_by_accounts_whoever_acts():
    journey = cj.read_journey(EXAMPLES / "fleet_software" / "journey.yml")
    log = journey.read_events()
    assert (log.n_customers, log.unit.many) == (260, "accounts")
    assert log.run("SELECT count(DISTINCT person) AS n FROM events")["n"][0] > 300
    feedback = journey.read_feedback()
    assert set(feedback.frame["customer_id"].astype(int)) <= set(range(5001, 5261))
    assert feedback.frame["person"].str.startswith("u").all()
    assert " of 260 accounts" in cj.funnel(log, **journey.funnel()).headline
