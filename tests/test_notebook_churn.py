"""The notebook on churn: a second run looks back on the first, and a business without money gets reasons, not faults."""

from __future__ import annotations

import pytest
from test_notebooks import ROOT, captions, run

import cjlib as cj

NOTEBOOK = ROOT / "notebooks" / "04_churn.ipynb"


@pytest.fixture(autouse=True)
def at_home(monkeypatch) -> None:
    monkeypatch.chdir(ROOT / "notebooks")
    monkeypatch.setenv("CJLIB_MODE", "report")


@pytest.mark.slow
def test_a_run_keeps_its_forecast_and_looks_back_on_earlier_ones(shared_data, monkeypatch, tmp_path):
    monkeypatch.setenv("CJ_DATA", str(shared_data))
    business = cj.read_journey(ROOT / "data" / "examples" / "ecom_synthetic.yml")
    log = business.read_events()
    earlier = log.where(end="2024-05-15")
    options = business.churn_options(active_within="60D") | cj.churn_inputs(business, log)
    model = cj.fit_churn(cj.churn_data(earlier, **options))
    model.keep(tmp_path / "model.json")
    cj.keep_forecast(model.score(cj.churn_data(earlier, **options, cutoffs=["2024-05-16"], like=model)), tmp_path)
    said = captions(
        run(
            NOTEBOOK, journey=str(ROOT / "data" / "examples" / "ecom_synthetic.yml"), forecasts=str(tmp_path), kept_model=str(tmp_path / "model.json")
        )
    )
    assert len(list(tmp_path.glob("forecast-*.csv"))) == 2
    assert any(one.startswith("1 of 2 forecasts can be judged. The newest, of 2024-05-16") for one in said)
    assert sum(one.startswith("The journey file does not say what money is") for one in said) == 5
    assert all(said)
