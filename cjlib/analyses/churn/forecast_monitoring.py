"""Forecasts of the past beside what then happened: the running scorecard."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import ndtri

from cjlib.analyses.churn.data.churn_data import NO_DATES, ChurnData, LogSource, TableSource
from cjlib.analyses.churn.data.log_data import data_at
from cjlib.analyses.churn.model import metrics
from cjlib.analyses.churn.model.churn_model import ChurnModel, ChurnScores
from cjlib.analyses.result import Metric, Result, metric
from cjlib.errors import CjlibError, DataError, did_you_mean, listed, shown
from cjlib.shared.comparison import CLAIM, MIN_N
from cjlib.shared.stats import wilson
from cjlib.show.numbers import count_of, percent

COLUMNS = ["customer_id", "cutoff", "churn_probability"]
OPEN = "horizon not over"


@dataclass(frozen=True, kw_only=True, eq=False)
class PastForecasts(Result):
    """Each saved forecast beside what then happened."""


def save_forecast(scores: ChurnScores, folder: str | Path) -> Path | None:
    """Write tonight's forecast as a CSV file named by its newest cutoff; the same cutoff again replaces it.

    Parameters
    ----------
    scores
        What `model.score()` gave, from a log.
    folder
        Where forecasts are saved; made if it is not there. Empty text: nothing is saved.

    Returns
    -------
    Path
        Of the file: `customer_id`, `cutoff`, `churn_probability`, a row a customer; None where
        nothing is saved, as of unanswered scores.

    Raises
    ------
    CjlibError
        If `scores` is not what `model.score()` gave, or the folder cannot be made.
    DataError
        If nobody was scored, or scores have no cutoff.
    """
    if not isinstance(scores, ChurnScores):
        raise CjlibError(
            f"scores: must be what model.score() gave. Got {shown(type(scores).__name__)}."
        )
    if folder == "" or not scores.answered:
        return None
    table = scores.table[COLUMNS]
    if table.empty or table["cutoff"].isna().any():
        raise DataError(
            "scores: must have customers and their cutoffs, as scores of cj.churn_data have; without a cutoff it cannot be said later what happened."
        )
    target = Path(folder)
    try:
        target.mkdir(parents=True, exist_ok=True)
    except OSError as fault:
        raise CjlibError(
            f"folder: {shown(str(folder))} cannot be made ({fault.strerror}). Name a folder that is there or can be made."
        ) from None
    path = target / f"forecast-{table['cutoff'].max():%Y-%m-%dT%H%M%S}.csv"
    stamps = [one.isoformat() for one in table["cutoff"].tolist()]
    half = path.with_suffix(".part")
    table.assign(cutoff=stamps).to_csv(half, index=False, lineterminator="\n")
    half.replace(path)
    return path


def saved_cutoffs(forecasts: str | Path | Sequence[pd.DataFrame]) -> list[pd.Timestamp]:
    """The cutoffs of saved forecasts, oldest first: for `cj.churn_data(log, cutoffs=…)`, so that what then happened can be set beside them.

    Parameters
    ----------
    forecasts
        As `past_forecasts` takes them.

    Returns
    -------
    list of pandas.Timestamp
        Aware, in UTC, each once.

    Raises
    ------
    CjlibError
        If `forecasts` is neither a folder nor tables.
    DataError
        If a file is damaged, or a table lacks a column of a forecast.
    """
    return sorted({stamp for frame in _read(forecasts) for stamp in _utc(frame["cutoff"])})


def past_forecasts(
    forecasts: str | Path | Sequence[pd.DataFrame] | ChurnModel, data: ChurnData
) -> PastForecasts:
    """What each saved forecast said, beside what then happened.

    A customer counts at a cutoff if both the forecast and the data know them there; churned is what
    the data say, by their own horizon.

    Parameters
    ----------
    forecasts
        The folder that `save_forecast` writes to, tables with `customer_id`, `cutoff`,
        `churn_probability`, or a model, whose tested moments are looked back on.
    data
        From `churn_data` of today's log; at cutoffs of the forecasts that it does not have it is
        made again.

    Returns
    -------
    PastForecasts
        `.table`: `cutoff`, `state` ("known" or "horizon not over"), `n`, `n_churned`,
        `predicted_share`, `observed_share`, `observed_low`, `observed_high`, `auc`, `auc_low`,
        `auc_high`, `lift_10`, `ece`, `ece_floor`; newest first. Unanswered where nothing is saved,
        and for a table of customers, which has no dates.

    Raises
    ------
    CjlibError
        If `forecasts` is neither a folder, nor tables, nor a model.
    DataError
        If a file is damaged, a table lacks a column of a forecast, or the data have none of the
        cutoffs.
    """
    if isinstance(forecasts, ChurnModel) and not forecasts.answered:
        return PastForecasts.unanswered(forecasts.reason)
    if isinstance(data, ChurnData) and not data.answered:
        return PastForecasts.unanswered(data.reason)
    frames = _read([forecasts.forecasts] if isinstance(forecasts, ChurnModel) else forecasts)
    if not frames:
        return PastForecasts.unanswered(
            f"There is no saved forecast in {shown(str(forecasts))}. Save one with cj.save_forecast(scores, folder)."
        )
    if isinstance(data, ChurnData) and isinstance(data.source, TableSource):
        return PastForecasts.unanswered(
            f"{NO_DATES}, so no forecast of it can be looked back on. Save the list, and compare it with the next table."
        )
    told = pd.concat(frames, ignore_index=True)
    if isinstance(data, ChurnData) and isinstance(data.source, LogSource):
        data = _with_cutoffs(data, data.source, _utc(told["cutoff"]))
    if not isinstance(data, ChurnData) or "cutoff" not in data.table.columns:
        raise DataError(
            "data: has no cutoffs. Give what cj.churn_data makes from the log, at the forecasts' cutoffs."
        )
    truth = data.table[["customer_id", "cutoff", "churned"]].assign(
        key=data.table["customer_id"].astype("str"), cutoff=_utc(data.table["cutoff"])
    )
    asked = told.assign(key=told["customer_id"].astype("str"), cutoff=_utc(told["cutoff"]))[
        ["key", "cutoff", "churn_probability"]
    ]
    both = asked.merge(
        truth[["key", "cutoff", "churned"]], on=["key", "cutoff"], how="inner"
    ).sort_values(["cutoff", "key"], ignore_index=True)
    stamps = sorted(both["cutoff"].unique().tolist(), reverse=True)
    rows = [_row(stamp, both[both["cutoff"] == stamp]) for stamp in stamps]
    table = pd.DataFrame(rows)
    if table.empty:
        raise DataError(
            f"data: has none of the forecasts' cutoffs {listed(sorted({f'{one:%Y-%m-%d}' for one in asked['cutoff']}))}. Give them as cutoffs=."
        )
    return PastForecasts(
        table=table,
        headline=_headline(table),
        definition=_definition(len(asked), len(both)),
        metrics=_metrics(table),
    )


def _with_cutoffs(data: ChurnData, source: LogSource, cutoffs: pd.Series) -> ChurnData:
    """The data, made again at the forecasts' cutoffs where some are lacking; those before the log can have no data."""
    known = set(_utc(data.table["cutoff"])) if "cutoff" in data.table else set()
    begins = source.log.moment(source.log.span_us[0]) if source.log.span_us else None
    stamps = [stamp for stamp in sorted(set(cutoffs)) if begins is not None and stamp >= begins]
    return data if not stamps or set(stamps) <= known else data_at(source, stamps)


def _read(forecasts: str | Path | Sequence[pd.DataFrame]) -> list[pd.DataFrame]:
    if not isinstance(forecasts, (str, Path)):
        found = (
            [forecasts]
            if isinstance(forecasts, pd.DataFrame)
            else list(forecasts)
            if isinstance(forecasts, Sequence)
            else []
        )
        if not found or not all(isinstance(one, pd.DataFrame) for one in found):
            raise CjlibError(
                f"forecasts: must be the folder that save_forecast writes to, or tables such as scores.table. Got {shown(type(forecasts).__name__)}."
            )
    else:
        paths = sorted(Path(forecasts).glob("forecast-*.csv"))
        found = [_read_file(path) for path in paths]
    for frame in found:
        for name in COLUMNS:
            if name not in frame.columns:
                raise DataError(
                    f"forecasts: there is no column {name!r}.{did_you_mean(name, frame.columns)} A forecast has {', '.join(COLUMNS)}."
                )
    return [_checked(frame) for frame in found]


def _checked(frame: pd.DataFrame) -> pd.DataFrame:
    """Times as times, probabilities as numbers."""
    try:
        moments = (
            frame["cutoff"]
            if pd.api.types.is_datetime64_any_dtype(frame["cutoff"])
            else pd.to_datetime(frame["cutoff"], format="ISO8601")
        )
        return frame.assign(
            cutoff=_utc(moments), churn_probability=frame["churn_probability"].astype(float)
        )
    except (ValueError, TypeError) as fault:
        raise DataError(
            f"forecasts: cutoff must hold times and churn_probability numbers ({shown(str(fault))}). Give tables as model.score() makes them."
        ) from None


def _read_file(path: Path) -> pd.DataFrame:
    # Without na_filter a customer called "NA" would be nobody.
    try:
        frame = pd.read_csv(path, dtype={"customer_id": "str"}, na_filter=False)
        return frame.assign(
            cutoff=pd.to_datetime(frame["cutoff"], utc=True, format="ISO8601"),
            churn_probability=frame["churn_probability"].astype(float),
        )
    except (KeyError, ValueError) as fault:
        raise DataError(
            f"forecasts: {shown(path.name)} is damaged ({type(fault).__name__}: {shown(str(fault))}). Take it out of the folder, or save that forecast again."
        ) from None


def _utc(stamps: pd.Series) -> pd.Series:
    return pd.to_datetime(stamps, utc=True).dt.as_unit("us")


def _row(stamp: pd.Timestamp, part: pd.DataFrame) -> dict[str, object]:
    known = part[part["churned"].notna()]
    score, churned = (
        known["churn_probability"].to_numpy(dtype=float),
        known["churned"].to_numpy(dtype=float),
    )
    figures = dict.fromkeys(
        ("auc", "auc_low", "auc_high", "lift_10", "ece", "ece_floor"), float("nan")
    )
    low, high = wilson(churned.sum(), churned.size)
    if 0 < churned.sum() < churned.size:
        customers = np.arange(churned.size)
        figures["auc"] = metrics.auc(score, churned)
        off = metrics.auc_deviations(
            score, churned, customers, metrics.draw_customers(churned.size, 0)
        )
        figures["auc_low"], figures["auc_high"] = metrics.bounds(figures["auc"], off, 0, 1)
        figures |= {
            "lift_10": metrics.lift(score, churned),
            "ece": metrics.ece(score, churned),
            "ece_floor": metrics.ece_floor(score, 0),
        }
    return {
        "cutoff": stamp,
        "state": "known" if len(known) else OPEN,
        "n": len(known) or len(part),
        "n_churned": int(churned.sum()),
        "predicted_share": float(part["churn_probability"].mean()),
        "observed_share": float(churned.mean()) if churned.size else float("nan"),
        "observed_low": float(low),
        "observed_high": float(high),
        **figures,
    }


def _headline(table: pd.DataFrame) -> str:
    known = table[table["state"] == "known"]
    if known.empty:
        return f"Of {count_of(len(table), 'forecast')} none has its horizon behind it yet."
    last = known.iloc[0]
    return (
        f"{len(known)} of {count_of(len(table), 'forecast')} can be judged. The newest, of {last['cutoff']:%Y-%m-%d}, expected {percent(last['predicted_share'])} to churn; {percent(last['observed_share'])} did "
        f"({percent(last['observed_low'])} to {percent(last['observed_high'])}, n = {last['n']:,}), {_level(last)}; {_ranking(last)}."
    )


def _level(row: pd.Series) -> str:
    """Whether the level has moved: a claim, so at the level of claims; of forecasts that are right one in twenty lies outside a 95% interval."""
    expected = row["predicted_share"]
    if row["observed_low"] <= expected <= row["observed_high"]:
        return "within its interval"
    low, high = wilson(row["n_churned"], row["n"], z=float(ndtri(1 - CLAIM / 2)))
    if low <= expected <= high:
        return "outside its interval, though by no more than chance can do"
    few = f", but {row['n']:,} customers are too few to say that the level has moved"
    moved = ": the level has moved, so fit anew"
    return f"outside its interval{few if row['n'] < MIN_N else moved}"


def _ranking(row: pd.Series) -> str:
    if np.isnan(row["auc"]):
        return "with one outcome alone no ranking can be judged"
    return f"AUC {row['auc']:.3f} ({row['auc_low']:.3f} to {row['auc_high']:.3f})"


def _definition(asked: int, both: int) -> dict[str, str]:
    return {
        "compared": f"{both:,} of {asked:,} forecasts: those whose customer and cutoff the data have",
        "observed": "by the data's label and horizon; Wilson interval",
        "interval": "AUC: 95%, bootstrap over customers",
    }


def _metrics(table: pd.DataFrame) -> dict[str, Metric]:
    known = table[table["state"] == "known"]
    if known.empty:
        return {}
    last = known.iloc[0]
    n = int(last["n"])
    return {
        "auc": metric(
            float(last["auc"]),
            float(last["auc_low"]),
            float(last["auc_high"]),
            n,
            label="AUC of the newest forecast: 0.5 is chance, 1 perfect",
            unit="number",
            better="higher",
        ),
        "observed_share": metric(
            float(last["observed_share"]),
            float(last["observed_low"]),
            float(last["observed_high"]),
            n,
            label="Churned, as observed",
            unit="share",
            better="lower",
        ),
        "predicted_share": metric(
            float(last["predicted_share"]), n=n, label="Churned, as forecast", unit="share"
        ),
    }
