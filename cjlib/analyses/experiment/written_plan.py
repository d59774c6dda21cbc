"""The plan of an experiment as a file, written before it is read; and what a readout does otherwise than its plan says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pandas as pd

from cjlib.analyses.experiment.measures import Measure
from cjlib.errors import CjlibError, did_you_mean, listed, shown
from cjlib.sources.log.conditions import Step
from cjlib.sources.log.durations import Duration, microseconds
from cjlib.sources.log.event_log import EventLog

UNIT = "customer"
HEAD = "# The plan of an experiment, written before it is read. cj.experiment(…, plan=…) holds its readout against it.\n"
MEASURE_KEYS = ("event", "kind", "value", "per", "better", "role", "winsorize", "after")
STEP_KEYS = ("event", "where", "first_time")
COLUMNS = ["what", "planned", "read", "consequence"]


@dataclass(frozen=True)
class WrittenPlan:
    """The plan of an experiment.

    Attributes
    ----------
    measures
        Name → `event`, `kind`, `value`, `per`, `better`, `role`, `winsorize`, `after`, as in a journey file.
    window, stop, planned_customers, planned_shares, control
        As `cj.experiment` takes them.
    unit
        What was put into arms at random; only "customer" can be read.
    smallest_effect
        The change of the first decision measure that the test is to find, as a share of today's value.
    written_from
        The last day of the data that the plan rests on.
    starts, ends
        The first and last day of the experiment.
    baseline
        Name of a measure → `value`, `customers` and `source`.
    """

    measures: Mapping[str, Mapping[str, Any]]
    window: str
    stop: str = "always_valid"
    planned_customers: int | None = None
    planned_shares: Mapping[str, float] | None = None
    control: str | None = None
    exposure: Any = None
    unit: str = UNIT
    smallest_effect: float | None = None
    power: float | None = None
    written_from: str | None = None
    starts: str | None = None
    ends: str | None = None
    baseline: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def write(self, path: str | Path) -> Path:
        """Write it as YAML; a file that is there is replaced."""
        import yaml

        content = {
            one.name: getattr(self, one.name)
            for one in fields(self)
            if getattr(self, one.name) not in (None, {})
        }
        text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=100)
        target = Path(path)
        target.write_text(HEAD + text, encoding="utf-8")
        return target


def as_written(measure: Measure) -> dict[str, Any]:
    """A measure as a journey file or a plan holds it, without its name and without what is the default."""
    default = Measure("", kind="count")
    plain = {name: getattr(measure, name) for name in MEASURE_KEYS}
    return {
        name: event_as_written(value) if name in ("event", "per") else value
        for name, value in plain.items()
        if name in ("event", "kind", "role") or value != getattr(default, name)
    }


def window_as_written(window: Duration) -> str:
    """A duration as text."""
    if isinstance(window, timedelta):
        return f"{microseconds(window, 'window') // 1_000_000}s"
    return str(window)


def event_as_written(event: Any) -> Any:
    """An event as a journey file or a plan holds it."""
    if isinstance(event, Step):
        whole = {name: getattr(event, name) for name in STEP_KEYS}
        return {name: _plain(value) for name, value in whole.items() if value}
    return _plain(event)


def _plain(value: Any) -> Any:
    """Lists for tuples and dicts for mappings, which is what YAML writes."""
    if isinstance(value, Mapping):
        return {str(name): _plain(inside) for name, inside in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [event_as_written(one) for one in value]
    return value


def plan_given(given: WrittenPlan | str | Path | Mapping[str, Any]) -> WrittenPlan:
    """A plan as it is given: itself, its content, or the file that holds it.

    Raises
    ------
    CjlibError
        If the file cannot be read, or a key is none of a plan's.
    """
    if isinstance(given, WrittenPlan):
        return given
    content = given if isinstance(given, Mapping) else _of_file(Path(given))
    known = [one.name for one in fields(WrittenPlan)]
    for name in content:
        if name not in known:
            raise CjlibError(
                f"plan: unknown key {shown(name)}.{did_you_mean(name, known)} A plan has {listed(known, most=20)}."
            )
    lacking = [name for name in ("measures", "window") if not content.get(name)]
    if lacking:
        raise CjlibError(f"plan: lacks {listed(lacking)}. plan_experiment(…).write_plan(…) writes a whole one.")  # fmt: skip
    if not isinstance(content["measures"], Mapping):
        raise CjlibError(
            f"plan: measures must map names to measures, as in a journey file. Got {shown(content['measures'])}."
        )
    return WrittenPlan(**content)


def _of_file(path: Path) -> Mapping[str, Any]:
    import yaml

    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise CjlibError(
            f"plan: {shown(str(path))} cannot be read: {type(error).__name__}. Give the YAML file that plan_experiment(…).write_plan(…) wrote."
        ) from error
    except yaml.YAMLError as error:
        raise CjlibError(
            f"plan: {shown(str(path))} is not readable as YAML: {str(error).splitlines()[0]}."
        ) from error
    if not isinstance(content, Mapping):
        raise CjlibError(
            f"plan: {shown(str(path))} holds no plan. It must map window, measures, …."
        )
    return content


@dataclass(frozen=True)
class Readout:
    """What is read, to be held against a plan."""

    measures: tuple[Measure, ...]
    window: Duration
    stop: str
    planned_customers: int | None
    planned_shares: Mapping[str, float] | None
    control: str


def obeyed(readout: Readout, plan: WrittenPlan) -> tuple[Readout, list[dict[str, str]]]:
    """The readout as the plan allows it, and where it differs: rules are the plan's, and what was not planned is exploratory."""
    measures, rows = _planned_measures(readout.measures, plan)
    if microseconds(readout.window, "window") != microseconds(plan.window, "window"):
        rows.append(
            _row("window", plan.window, readout.window, "another question than the planned one")
        )
    if plan.unit != UNIT:
        rows.append(_row("unit", plan.unit, UNIT, f"read by {UNIT}, not by what was planned"))
    if plan.control is not None and plan.control != readout.control:
        rows.append(_row("control", plan.control, readout.control, "another comparison"))
    ruled = {
        "stop": plan.stop,
        "planned_customers": plan.planned_customers or readout.planned_customers,
        "planned_shares": plan.planned_shares or readout.planned_shares,
    }
    for name, planned in ruled.items():
        asked = getattr(readout, name)
        # An option left out is no deviation: the plan fills it in.
        unasked = asked is None or (name == "stop" and asked == "always_valid")
        if not unasked and asked != planned:
            rows.append(_row(name.replace("_", " "), planned, asked, "read as planned"))
    return replace(readout, measures=measures, **ruled), rows


def dates_kept(plan: WrittenPlan, log: EventLog, first: int, last: int) -> list[dict[str, str]]:
    """Exposures before or after the planned days, data that end before the experiment does, and a plan that came too late."""
    rows = []
    first_day, last_day = (log.moment(at).date().isoformat() for at in (first, last))
    if plan.starts is not None and first_day < str(plan.starts):
        rows.append(_row("start", plan.starts, first_day, "exposures before the start count too"))
    if plan.ends is not None and last_day > str(plan.ends):
        rows.append(_row("end", plan.ends, last_day, "exposures after the end count too"))
    end_of_data = log.observed_until.date().isoformat()
    if plan.ends is not None and end_of_data < str(plan.ends):
        rows.append(_row("end", plan.ends, end_of_data, "stopped early, or still running"))
    if plan.written_from is not None and str(plan.written_from) > first_day:
        rows.append(
            _row(
                "plan written",
                f"before {first_day}",
                f"from data until {plan.written_from}",
                "written after the first exposure: not a plan for what came before",
            )
        )
    return rows


def _planned_measures(
    measures: Sequence[Measure], plan: WrittenPlan
) -> tuple[tuple[Measure, ...], list[dict[str, str]]]:
    kept, rows = [], []
    for measure in measures:
        planned = plan.measures.get(measure.name)
        if planned is None:
            if measure.role != "exploratory":
                rows.append(_row(measure.name, "not planned", measure.role, "exploratory"))
            kept.append(replace(measure, role="exploratory"))
            continue
        meant = planned_measure(measure.name, planned)
        changed = [
            name
            for name in MEASURE_KEYS
            if name != "role"
            and event_as_written(getattr(meant, name)) != event_as_written(getattr(measure, name))
        ]
        if changed:
            rows.append(
                _row(
                    measure.name,
                    ", ".join(f"{name}: {getattr(meant, name)}" for name in changed),
                    ", ".join(f"{name}: {getattr(measure, name)}" for name in changed),
                    "exploratory",
                )
            )
            kept.append(replace(measure, role="exploratory"))
            continue
        if meant.role != measure.role:
            rows.append(_row(measure.name, meant.role, measure.role, "read in its planned role"))
        kept.append(replace(measure, role=meant.role))
    read = {measure.name for measure in measures}
    rows += [
        _row(name, planned_measure(name, spec).role, "not read", "the plan’s measure is missing")
        for name, spec in plan.measures.items()
        if name not in read
    ]
    return tuple(kept), rows


def planned_measure(name: str, spec: Mapping[str, Any]) -> Measure:
    """A measure of a plan."""
    unknown = [key for key in spec if key not in MEASURE_KEYS]
    if unknown:
        raise CjlibError(
            f"plan: measure {shown(name)} has an unknown key {shown(unknown[0])}.{did_you_mean(unknown[0], MEASURE_KEYS)} A measure has {listed(MEASURE_KEYS)}."
        )
    events = {key: _event_read(spec[key]) for key in ("event", "per") if key in spec}
    return Measure(name, **{**spec, **events})


def _event_read(written: Any) -> Any:
    if isinstance(written, Mapping):
        return Step(**written)
    if isinstance(written, list):
        return [_event_read(one) for one in written]
    return written


def _row(what: str, planned: Any, read: Any, consequence: str) -> dict[str, str]:
    return dict(zip(COLUMNS, (what, str(planned), str(read), consequence), strict=True))


def deviations_table(rows: Sequence[Mapping[str, str]]) -> pd.DataFrame:
    """What a readout does otherwise than its plan says."""
    return pd.DataFrame(rows, columns=COLUMNS).astype("str")
