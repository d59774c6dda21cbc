"""A churn model: how good it was on customers it did not know, and what it says of others, in the order given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cjlib.analyses.churn.data.churn_data import ChurnData, LogSource, TableSource
from cjlib.analyses.churn.data.customer_table import as_features, customer_ids
from cjlib.analyses.churn.data.log_data import data_at
from cjlib.analyses.churn.model import persistence
from cjlib.analyses.churn.model.encoding import Reference, drifted, no_drift
from cjlib.analyses.churn.model.explanations import ChurnReasons, Fitted, Reasoning, reasons
from cjlib.analyses.churn.model.metrics import by_segment
from cjlib.analyses.churn.model.model_selection import THREADS, Forecaster
from cjlib.analyses.result import Metric, Result, metric
from cjlib.errors import CjlibError, shown
from cjlib.shared.silences import warned
from cjlib.show.numbers import count_of, percent, timespan

FORECASTS = ["customer_id", "cutoff", "churned", "churn_probability"]
NOBODY = "Nobody is left to forecast: no customer at this moment is one who could still leave."


@dataclass(frozen=True, kw_only=True, eq=False)
class ChurnScores(Result):
    """Probabilities for customers, in the order given.

    Attributes
    ----------
    drift
        `feature`, `psi`, `limit`, `level`: whether these customers are like those of training.
    """

    drift: pd.DataFrame
    model: ChurnModel = field(repr=False)
    matrix: NDArray[np.float64] = field(repr=False)

    @property
    def telling(self) -> tuple[str, ...]:
        """What a card shows."""
        return ("mean_probability",)

    @classmethod
    def unanswered(cls, reason: str, **empty: Any) -> ChurnScores:
        """Nobody scored, and the reason."""
        return super().unanswered(
            reason,
            drift=no_drift(),
            model=ChurnModel.unanswered(reason),
            matrix=np.zeros((0, 0)),
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class ChurnModel(Result):
    """A fitted model, with the evidence for it.

    Attributes
    ----------
    table
        `model`, `population`, `cutoff`, `n`, `n_churned`, then the figures: the chosen model, the
        candidates, and the baselines that need no model.
    calibration
        `bin`, `n`, `mean_predicted`, `observed`, `low`, `high`.
    lift
        `decile` (1 = highest risk), `n`, `n_churned`, `share_churned`, `low`, `high`, `lift`,
        `cumulative_captured`.
    effects
        `feature`, `effect`, `level`, `n`, `n_churned`, `share_churned`, `low`, `high`, and against
        all other customers `difference`, its interval, `p_value`, `p_adjusted`: the features that
        move the forecasts most, strongest first.
    leaks
        As of the data, with what the model as a whole shows.
    drift
        Between training and the newest customers of a log; empty for a table.
    forecasts
        `customer_id`, `cutoff`, `churned`, `churn_probability`: the forecasts that did not know the
        outcome, on which all figures rest.
    horizon_us
        How far ahead the label looks, in microseconds; 0 for a table.
    id_column
        What the training table called the customer.
    beats_baselines
        Whether its ranking is better than chance and than every baseline, significantly; if not,
        nothing may be decided by it.
    verdict
        That in a sentence.
    """

    calibration: pd.DataFrame
    lift: pd.DataFrame
    effects: pd.DataFrame
    leaks: pd.DataFrame
    drift: pd.DataFrame
    forecasts: pd.DataFrame
    horizon_us: int
    id_column: str
    beats_baselines: bool
    verdict: str
    fitted: Fitted | None = field(repr=False)
    newest: pd.DataFrame = field(repr=False)

    @classmethod
    def unanswered(cls, reason: str, **empty: Any) -> ChurnModel:
        """No model, and the reason."""
        tables = {
            name: pd.DataFrame() for name in ("calibration", "lift", "effects", "leaks", "newest")
        }
        return super().unanswered(
            reason,
            **tables,
            drift=no_drift(),
            forecasts=pd.DataFrame(columns=FORECASTS),
            horizon_us=0,
            id_column="",
            beats_baselines=False,
            verdict=reason,
            fitted=None,
        )

    @property
    def telling(self) -> tuple[str, ...]:
        """What a card shows."""
        return ("auc",)

    @property
    def forecaster(self) -> Forecaster:
        """What makes the probabilities."""
        return self._known().forecaster

    @property
    def reference(self) -> Reference:
        """The distribution of training."""
        return self._known().reference

    @property
    def reasoning(self) -> Reasoning:
        """What reasons are made of."""
        return self._known().reasoning

    def _known(self) -> Fitted:
        if self.fitted is None:
            raise CjlibError(f"model: is none. {self.reason}")
        return self.fitted

    @property
    def features(self) -> tuple[str, ...]:
        """The features it needs."""
        return self.forecaster.columns.names if self.answered else ()

    def score(
        self, data: ChurnData | pd.DataFrame | None = None, *, as_of: Any = None
    ) -> ChurnScores:
        """Probability of churning for each row, in the order given.

        Parameters
        ----------
        data
            ChurnData, or a table with the features (the target is not needed); None: the newest
            customers known to the model.
        as_of
            The day that a table with dates shows. None: as in training or, if the table has later
            dates, the latest of them.

        Returns
        -------
        ChurnScores
            `.table`: `customer_id`, `cutoff`, `churn_probability`, `rank` (1 = highest; ties by
            id), `decile` (1 = highest risk), `outside_training` (a number beyond those of training,
            or a level that training did not have). `.drift` compares with training.

        Raises
        ------
        CjlibError
            If `data` is neither ChurnData nor a table, a feature is missing, or `as_of` is no date.
        """
        if not self.answered:
            return ChurnScores.unanswered(self.reason)
        if isinstance(data, ChurnData) and not data.answered:
            return ChurnScores.unanswered(data.reason)
        with _one_thread():
            return _score(self, data, as_of)

    def score_today(self, data: ChurnData) -> ChurnScores:
        """Probability of churning for the customers of today.

        Of a log those at its last moment, with the features they have then; of a table of customers
        those whose outcome is blank and, where nobody's is, those who had not left, from whom the
        model has learnt too.

        Parameters
        ----------
        data
            What `cj.churn_data` or `cj.churn_table` gave.

        Returns
        -------
        ChurnScores
            As `score` gives them; the definition says of whom.

        Raises
        ------
        CjlibError
            If the data are not what either function gave, or lack a feature.
        """
        if not self.answered or not data.answered:
            return ChurnScores.unanswered(self.reason or data.reason)
        with _one_thread():
            return _score_today(self, data)

    def reasons(
        self, rows: ChurnScores | ChurnData | pd.DataFrame | None = None, k: int = 3
    ) -> ChurnReasons:
        """What goes with a customer's risk: the features whose values raise it most, against the average customer.

        Contributions are log-odds of the additive spline model; features that go together are
        summed. Only those count that raise the risk, and whose value differs from the typical one
        (median or most common). They say what goes with leaving, not what causes it.

        Parameters
        ----------
        rows
            As `score` takes them, or what it gave.
        k
            Reasons a customer, at most.

        Returns
        -------
        ChurnReasons
            `.effects`: churn by level of the features, the strongest first. `.table`:
            `customer_id`, `reason_rank`, `feature`, `value`, `typical`, `contribution`, `text`.

        Raises
        ------
        CjlibError
            If `k` is no whole number of 1 or more, or as `score` says.
        """
        scores = rows if isinstance(rows, ChurnScores) else self.score(rows)
        if not scores.answered or not self.answered:
            return ChurnReasons.unanswered(self.reason or scores.reason)
        with _one_thread():
            ids = scores.table["customer_id"].to_numpy()
            fitted = self._known()
            return reasons(fitted, self.effects, self.horizon_us, scores.matrix, ids, k)

    def by(self, values: pd.Series | Sequence[Any], *, min_n: int = 30) -> pd.DataFrame:
        """How good the forecasts were in each segment.

        Parameters
        ----------
        values
            The segment of each row of `.forecasts`.
        min_n
            Segments with fewer rows, or fewer than 10 of either outcome, get counts without
            figures.

        Returns
        -------
        DataFrame
            `segment`, `n`, `n_churned`, `share_churned`, `mean_predicted`, `auc`, `auc_low`,
            `auc_high`, `pr_auc`, `lift_10`, `lift_low`, `lift_high`.

        Raises
        ------
        CjlibError
            If there is not one segment for each row of `.forecasts`.
        """
        return by_segment(self.forecasts, values, min_n)

    def save(self, path: str | Path) -> Path:
        """Write the model as plain JSON, to be read by `cj.load_churn_model`: numbers and names, nothing that runs.

        Parameters
        ----------
        path
            Where to; a file there is replaced whole or not at all.

        Returns
        -------
        pathlib.Path
            The file.

        Raises
        ------
        CjlibError
            If the file cannot be written, or there is no model.
        """
        head = {name: getattr(self, name) for name in persistence.HEAD}
        head |= {"definition": dict(self.definition), "metrics": dict(self.metrics)}
        tables = {name: getattr(self, name) for name in persistence.TABLES}
        return persistence.save(Path(path), head, tables, self._known())


def load_churn_model(path: str | Path, *, default: ChurnModel | None = None) -> ChurnModel:
    """A model that `model.save(path)` wrote: it scores and gives reasons to the last digit as it did.

    Parameters
    ----------
    path
        The file.
    default
        What is given back where the path is empty text, as a notebook's parameter may be.

    Returns
    -------
    ChurnModel
        Without `.forecasts` and newest customers, which are not saved: give `score` the customers.

    Raises
    ------
    CjlibError
        If `path` is no name of a file.
    DataError
        If the file is not there, is no saved model, is damaged, or is of a version that this one
        cannot read.
    """
    if not isinstance(path, str | Path):
        raise CjlibError(
            f"path: must be the name of a file that model.save wrote. Got {shown(path)}."
        )
    if path == "" and default is not None:
        return default
    fields, fitted = persistence.load(Path(path))
    forecasts = pd.DataFrame({name: [] for name in FORECASTS})
    newest = pd.DataFrame(columns=list(fitted.forecaster.columns.names))
    return ChurnModel(**fields, forecasts=forecasts, fitted=fitted, newest=newest)


def _one_thread() -> Any:
    from threadpoolctl import threadpool_limits

    return threadpool_limits(THREADS)


def _score(
    model: ChurnModel, data: ChurnData | pd.DataFrame | None, as_of: Any = None
) -> ChurnScores:
    """See `ChurnModel.score`."""
    frame = _frame(model, data, as_of)
    if frame.empty:
        return ChurnScores.unanswered(NOBODY)
    columns = model.forecaster.columns
    matrix = columns.matrix(frame)
    outside = columns.outside(frame)
    probability = model.forecaster.probability(matrix)
    ids = _ids(frame, model)
    drift = _drift(model, data, matrix)
    cutoffs = (
        frame["cutoff"]
        if model.horizon_us and "cutoff" in frame
        else pd.Series(pd.NaT, index=frame.index, dtype="datetime64[us]")
    )
    order = np.lexsort(
        (
            cutoffs.to_numpy(dtype="datetime64[us]"),
            ids.to_numpy(dtype=object).astype(str),
            -probability,
        )
    )
    rank = np.empty(len(frame), dtype=np.int64)
    rank[order] = np.arange(1, len(frame) + 1)
    table = pd.DataFrame(
        {
            "customer_id": ids.to_numpy(),
            "cutoff": cutoffs.to_numpy()
            if cutoffs.dtype == "datetime64[us]"
            else cutoffs.reset_index(drop=True),
            "churn_probability": probability,
            "rank": rank,
            "decile": (rank - 1) * 10 // max(len(frame), 1) + 1,
            "outside_training": outside,
        }
    )
    return ChurnScores(
        table=table,
        headline=_headline(model, table, drift),
        definition=_definition(model, table),
        metrics=_metrics(model, table, drift),
        drift=drift,
        model=model,
        matrix=matrix,
    )


def _score_today(model: ChurnModel, data: ChurnData) -> ChurnScores:
    """See `ChurnModel.score_today`."""
    source = data.source
    if isinstance(source, LogSource):
        now = data_at(source, [source.log.observed_until], model)
        return _score(model, now)
    if not isinstance(source, TableSource):
        raise CjlibError("data: must be what cj.churn_data or cj.churn_table gave.")
    if len(source.open):
        return _named(_score(model, source.open), "those whose outcome is still open")
    stayed = replace(data, table=data.table[data.table["churned"] == 0])
    return _named(
        _score(model, stayed), "those who had not left; the model has learnt from them too"
    )


def _named(scores: ChurnScores, who: str) -> ChurnScores:
    return replace(scores, definition={"whom": who} | dict(scores.definition))


def _frame(model: ChurnModel, data: ChurnData | pd.DataFrame | None, as_of: Any) -> pd.DataFrame:
    if data is None:
        return model.newest.reset_index(drop=True)
    if isinstance(data, ChurnData):
        return data.table.reset_index(drop=True)
    if not isinstance(data, pd.DataFrame):
        raise CjlibError(
            f"data: must be ChurnData or a table with the features. Got {shown(type(data).__name__)}."
        )
    frame = data.set_axis([str(name) for name in data.columns], axis=1).reset_index(drop=True)
    model.forecaster.columns.check(frame)
    return as_features(frame, model.forecaster.columns, as_of)


def _ids(frame: pd.DataFrame, model: ChurnModel) -> pd.Series:
    for name in ("customer_id", model.id_column):
        if name and name in frame:
            return frame[name] if model.horizon_us else customer_ids(frame[name])
    return pd.Series(np.arange(1, len(frame) + 1).astype(str), dtype="str")


def _drift(model: ChurnModel, data: Any, matrix: NDArray[np.float64]) -> pd.DataFrame:
    """Against training; none of those who had stayed in the table of training, for they differ from those who left and not from tomorrow's customers."""
    if not model.horizon_us and not isinstance(data, pd.DataFrame):
        return no_drift()
    return drifted(model.forecaster.columns, model.reference, matrix)


def _headline(model: ChurnModel, table: pd.DataFrame, drift: pd.DataFrame) -> str:
    if not model.horizon_us:
        return f"{_alike(model, table)}{_beyond(table)}{_moved(drift)}"
    rhythm = warned(model.definition.get("silences", ""))
    return f"{_expected(model, table)}{_beyond(table)}{_moved(drift)}{rhythm}"


def _alike(model: ChurnModel, table: pd.DataFrame) -> str:
    """A table of customers shows one moment: who left had left, and who will is not in it."""
    lift = model.metrics["lift_10"]
    ranked = (
        f"{count_of(len(table), 'customer')} ranked by how much they resemble those who had left"
    )
    if not model.beats_baselines:
        return f"{ranked}: no forecast, since the table has no dates. {model.verdict}"
    return (
        f"{ranked}: no forecast, since the table has no dates. Lift in the top decile {lift['value']:.2f} ({lift['low']:.2f} to {lift['high']:.2f}): "
        "so many times the share of all had left among the tenth ranked highest."
    )


def _expected(model: ChurnModel, table: pd.DataFrame) -> str:
    within = timespan(model.horizon_us)
    customers = count_of(len(table), "customer")
    if not _countable(model, table):
        return (
            f"{customers} ranked by their risk to churn within {within}. How many will is not forecast: "
            "too few earlier moments show how the share of churners moves."
        )
    probability = table["churn_probability"].to_numpy(dtype=float)
    low, high = model.forecaster.level.interval(probability)
    return f"Of {customers} about {probability.sum():,.0f} (95% CI {low:,.0f} to {high:,.0f}; {percent(probability.mean())}) are expected to churn within {within}."


def _countable(model: ChurnModel, table: pd.DataFrame) -> bool:
    """Whether a number of churners can be told: of one moment, from several that are over."""
    return model.forecaster.level.known and len(table["cutoff"].drop_duplicates()) == 1


def _metrics(model: ChurnModel, table: pd.DataFrame, drift: pd.DataFrame) -> dict[str, Metric]:
    n = len(table)
    made = {
        "share_outside_training": metric(
            float(table["outside_training"].mean()),
            n=n,
            label="Outside the range of training",
            unit="share",
        ),
        "drifted_features": metric(
            int((drift["level"] != "").sum()), n=n, label="Features that drifted", unit="number"
        ),
    }
    if not model.horizon_us or not _countable(model, table):
        return made
    probability = table["churn_probability"].to_numpy(dtype=float)
    low, high = model.forecaster.level.interval(probability)
    expected = metric(
        float(probability.mean()),
        low / n,
        high / n,
        n,
        label="Expected to churn",
        unit="share",
        better="lower",
    )
    count = metric(
        float(probability.sum()), low, high, n, label="Customers expected to churn", unit="number"
    )
    return {"mean_probability": expected, "expected_churners": count, **made}


def _beyond(table: pd.DataFrame) -> str:
    share = table["outside_training"].mean()
    return (
        f" {percent(share)} of them have a value beyond those that the model learned from."
        if share > 0
        else ""
    )


def _moved(drift: pd.DataFrame) -> str:
    """Names of features stand in `.drift`: they are no words for who reads the headline."""
    moved, large = int((drift["level"] != "").sum()), int((drift["level"] == "large").sum())
    if large:
        return f" These customers differ from those the model learned from ({large} of {len(drift)} features drifted far), so trust the ranking more than the percentages."
    return f" {moved} of {len(drift)} features have drifted since training." if moved else ""


def _definition(model: ChurnModel, table: pd.DataFrame) -> dict[str, str]:
    return {
        "model": model.definition.get("chosen", ""),
        "probability": _meaning(model),
        "rank": "1 = highest probability; ties by customer id",
        "decile": "1 = the tenth with the highest risk",
        "outside training": "a number beyond the smallest or largest of training, or a level that training did not have",
        "customers": f"{len(table):,}",
    }


def _meaning(model: ChurnModel) -> str:
    if not model.horizon_us:
        return "how many of customers like this one had left when the table was made: resemblance, no forecast"
    level = model.forecaster.level
    if not level.known:
        return "of churning within the horizon; too few earlier moments for an interval of the sum"
    return (
        f"of churning within the horizon, at the level of the newest moments; 95% CI of the sum by chance and by how far off such levels were at {level.moments} earlier moments. "
        "A season shows in it as far as these moments reach"
    )
