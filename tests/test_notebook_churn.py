"""The notebook on churn: a second run looks back on the first, and a business without money, or a log too short, gets reasons, not faults."""

from __future__ import annotations

from pathlib import Path

import commandline
import numpy as np
import pandas as pd
import pytest
from test_notebooks import ROOT, captions, run

import cjlib as cj

NOTEBOOK = ROOT / "notebooks" / "04_churn.ipynb"


@pytest.fixture(autouse=True)
def at_home(monkeypatch) -> None:
    monkeypatch.chdir(ROOT / "notebooks")
    monkeypatch.setenv("CJLIB_MODE", "report")


@pytest.mark.slow
def test_a_run_keeps_its_forecast_and_looks_back_on_earlier_ones(
    shared_data, monkeypatch, tmp_path
):
    monkeypatch.setenv("CJ_DATA", str(shared_data))
    business = cj.read_journey(ROOT / "data" / "examples" / "ecom_synthetic.yml")
    log = business.read_events()
    earlier = log.where(end="2024-05-15")
    options = business.churn_options(log, active_within="60D")
    model = cj.fit_churn(cj.churn_data(earlier, **options))
    model.save(tmp_path / "model.json")
    cj.save_forecast(
        model.score(cj.churn_data(earlier, **options, cutoffs=["2024-05-16"], like=model)), tmp_path
    )
    shown = run(
        NOTEBOOK,
        journey=str(ROOT / "data" / "examples" / "ecom_synthetic.yml"),
        forecasts=str(tmp_path),
        saved_model=str(tmp_path / "model.json"),
    )
    said = [bundle.get("text/plain", "") for bundle in shown] + captions(shown)
    assert len(list(tmp_path.glob("forecast-*.csv"))) == 2
    assert any(
        text.startswith("1 of 2 forecasts can be judged. The newest, of 2024-05-16")
        for text in said
    )
    assert any("The journey file does not say what money is" in text for text in said)
    assert all(captions(shown))


# ---- logs that cannot answer -------------------------------------------------------------------------------------------

START = pd.Timestamp("2024-01-01", tz="UTC")


def visits(customers: int, days: range) -> list[tuple[str, str, float, float]]:
    """Everybody's visits, a payment with each."""
    return [
        (f"c{one:02d}", event, day + one / 100, 5.0)
        for one in range(customers)
        for day in days
        for event in ("visit", "pay")
    ]


def gone_by_now() -> list[tuple[str, str, float, float]]:
    """Forty customers who all cancel in time; long after, some look in without paying."""
    left = [(f"c{one:02d}", "cancel", 100.0 + 4 * one, 0.0) for one in range(40)]
    paid = [row for row in visits(40, range(0, 260, 10)) if row[2] < 100 + 4 * int(row[0][1:])]
    return paid + left + [(f"c{one:02d}", "visit", 330.0, 0.0) for one in range(3)]


LOGS = {
    "a log of some hours": (
        [(f"c{one:02d}", "visit", one / 350, 5.0) for one in range(40)],
        "inactive: 30D",
    ),
    "no churners": (visits(30, range(0, 300, 10)), "event: cancel"),
    "nobody active": (gone_by_now(), "event: cancel"),
    "one customer": (visits(1, range(0, 300, 10)), "inactive: 30D"),
}


def business_of(folder: Path, kind: str) -> Path:
    rows, churn = LOGS[kind]
    frame = pd.DataFrame(rows, columns=["customer_id", "event", "day", "value"])
    frame.assign(timestamp=START + pd.to_timedelta(frame.pop("day"), unit="D")).to_csv(
        folder / "events.csv", index=False
    )
    path = folder / "journey.yml"
    path.write_text(
        "name: A small business\ntimezone: UTC\nsources: {events: {path: events.csv}}\n"
        "stages: [{name: Use, touchpoints: [visit, pay, cancel]}]\n"
        f"churn: {{{churn}, horizon: 30D}}\nvalue: {{event: pay, amount: value}}\n"
    )
    return path


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("a log of some hours", "Who will leave cannot be said: the log spans 2 hours 40 minutes"),
        (
            "no churners",
            "Who will leave cannot be said: 0 customers of the rarer outcome are too few to learn from",
        ),
        ("nobody active", "Nobody is left to forecast"),
        ("one customer", "customers of the rarer outcome are too few to learn from"),
    ],
)
def test_a_log_that_cannot_answer_is_told_why_and_fails_nothing(tmp_path, kind, said):
    shown = run(NOTEBOOK, journey=str(business_of(tmp_path, kind)), forecasts=str(tmp_path))
    assert any(said in bundle.get("text/plain", "") for bundle in shown)
    assert not any(
        "churn_data:" in str(bundle) or "data: " in bundle.get("text/plain", "") for bundle in shown
    )
    assert all(captions(shown))


def test_a_table_of_customers_alone_is_asked_who_leaves_and_nothing_else(tmp_path):
    rng = np.random.default_rng(0)
    visits = rng.poisson(6, 300)
    left = np.where(rng.random(300) < 1 / (1 + np.exp(visits - 5)), "gone", "here")
    pd.DataFrame(
        {"member": [f"<m{one}>" for one in range(300)], "visits": visits, "state": left}
    ).to_csv(tmp_path / "members.csv", index=False)
    path = tmp_path / "journey.yml"
    path.write_text(
        "name: Gym\ntimezone: UTC\nsources: {customers: {path: members.csv, columns: {member: customer_id}}}\n"
        "stages: [{name: Member}]\nchurn: {target: state, positive: gone}\n"
    )
    done = commandline.here("run", "--journey", path, "--out", tmp_path / "reports")
    assert done.code == 0, done.err
    assert sorted(one.name for one in (tmp_path / "reports").glob("*.html")) == [
        "04_churn.html",
        "index.html",
        "runs.html",
    ]
    page = (tmp_path / "reports" / "04_churn.html").read_text(encoding="utf-8")
    assert f"{(left == 'here').sum()} customers ranked by how much they resemble" in page
    assert "The journey file does not say what money is" in page
    assert "<m1>" not in page
    assert "&lt;m1" in page


def test_a_short_log_holds_no_report_back_and_a_bad_parameter_still_does(tmp_path):
    given = [
        "run",
        NOTEBOOK,
        "--journey",
        business_of(tmp_path, "a log of some hours"),
        "--out",
        tmp_path / "reports",
    ]
    done = commandline.here(*given)
    assert done.code == 0, done.err
    page = (tmp_path / "reports" / "04_churn.html").read_text(encoding="utf-8")
    assert (
        '<p class="cj-headline">Who will leave cannot be said: the log spans 2 hours 40 minutes'
        in page
    )
    wrong = commandline.here(*given, "-P", "horizon=soon")
    assert wrong.code == 2, wrong.err
    assert "horizon" in wrong.err
