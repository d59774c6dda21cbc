"""What the map says in sentences: headline, definition, metrics."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import pandas as pd

from cjlib.analyses.feedback.score_texts import TOPIC_SHIFT
from cjlib.analyses.findings import Finding
from cjlib.analyses.journey_map.inputs import Source
from cjlib.analyses.journey_map.pain import MATERIAL
from cjlib.analyses.result import Better, Metric, Unit, metric
from cjlib.shared.comparison import CLAIM, MIN_N
from cjlib.shared.silences import late_in_words
from cjlib.show.numbers import (
    about,
    confidence,
    count_of,
    joined,
    percent,
    points,
    points_interval,
    ranks,
    timespan,
)
from cjlib.sources.log.durations import microseconds

FIRST_FROM = 0.995
"""A pain point may be called the biggest only if it comes first in at least this share of the draws: of two alike one does in 1 of 100."""
PAINS = {
    "lost": (
        "of those who came to {stage} drop off there",
        "{} on average elsewhere or as expected",
    ),
    "unhappy": ("of the answers about {stage} are unhappy", "{} elsewhere"),
    "slow": ("take longer than expected at {stage}", "{} expected"),
    "effortful": ("need effort or support at {stage}", "{} elsewhere"),
}
"""The parts of a pain point in words, and what their reference is."""
FAMILY_OF_PAINS = "pain of stages"
FAMILY_OF_MOMENTS = "moments that matter"
STAGE_METRICS: tuple[tuple[str, str | None, str, Unit, Better], ...] = (
    ("share_ended", "customers", "Drop-off at {}", "share", "lower"),
    (
        "mean_score",
        "n_scored",
        "Sentiment of texts at {}, −1 to 1 (model index)",
        "number",
        "higher",
    ),
    ("csat", "n_csat", "Satisfied at {} (csat)", "share", "higher"),
    ("nps", "n_nps", "NPS at {}", "points", "higher"),
    ("share_of_previous", None, "Continued to {}", "share", "higher"),
)
"""A column of the stage table, what it rests on, and how it is shown."""


def significant_pains(pains: pd.DataFrame, level: str) -> pd.DataFrame:
    """The pain points of a level that a test tells from their reference, most painful first."""
    if not len(pains):
        return pains
    return pains[(pains["level"] == level) & pains["significant"] & (pains["impact"] > 0)]


def nothing_stands_out(pains: pd.DataFrame, level: str = "stage") -> str:
    """That no place of a level is a pain point, or that none could be told from the others."""
    places = pains[pains["level"] == level] if len(pains) else pains
    tested = places[[name for name in places if str(name).endswith("_p_adjusted")]]
    if not tested.notna().to_numpy().any():
        return f"Whether a {level} is a pain point cannot be told: no two {level}s can be compared with {MIN_N} customers or answers each."
    return f"No {level} stands out as a pain point."


def feelings_compared(line: pd.DataFrame, group: str | None) -> bool:
    """Whether two stages of a map, or of one group of it, have answers of enough customers on the lead measure."""
    if not len(line):
        return False
    stages = line[line["lead"] & line["touchpoint"].isna() & (line["customers"] >= MIN_N)]
    sizes = stages.groupby(group, dropna=False).size() if group is not None else [len(stages)]
    return max(sizes, default=0) > 1


FEELINGS_UNKNOWN = (
    "Whether customers feel otherwise at one stage than at another cannot be told: "
    f"no two stages have answers of {MIN_N} customers each"
)


def first_pain(pains: pd.DataFrame, level: str) -> str | None:
    """The biggest pain point of a level as a sentence; None where no pain is significant."""
    found = significant_pains(pains, level)
    if found.empty:
        return None
    one = found.iloc[0]
    name = one["stage"] if level == "stage" else f"{one['touchpoint']} ({one['stage']})"
    if one["share_first"] >= FIRST_FROM:
        return f"{name} is the biggest pain {'stage' if level == 'stage' else 'point'} (first in {percent(one['share_first'])} of 1,000 draws of weights and shares)"
    return f"{name} is among the biggest pain {'stages' if level == 'stage' else 'points'} ({ranks(one['rank_low'], one['rank_high'])}; first in {percent(one['share_first'], 0)} of 1,000 draws)"


def findings(source: Source, pains: pd.DataFrame, moments: pd.DataFrame) -> list[Finding]:
    """The biggest pain stage where a test says there is one, and each moment that matters."""
    stages = significant_pains(pains, "stage")
    found = [_pain_finding(source, stages.iloc[0])] if len(stages) else []
    named = moments[moments["named"]] if len(moments) else moments
    return [one for one in found if one is not None] + [
        Finding(
            topic=f"moment {row['touchpoint']}",
            claim=f"The moment that matters is {row['touchpoint']}: {about(row['share_good'])} of {row['n_good']:,} stay after a good experience, {about(row['share_bad'])} of {row['n_bad']:,} "
            f"after a bad one ({points(row['difference'], row['difference_low'], row['difference_high'])}, 95% CI {points_interval(row['difference_low'], row['difference_high'])}).",
            direction="bad" if row["difference"] > 0 else "neutral",
            family=FAMILY_OF_MOMENTS,
            p_adjusted=row["p_adjusted"],
            value=row["difference"],
            low=row["difference_low"],
            high=row["difference_high"],
            n=int(row["n_good"] + row["n_bad"]),
            unit="share",
            customers=int(row["n_bad"]),
            figure="moments",
            next_step=f"Find out what goes wrong at {row['touchpoint']}.",
        )
        for row in named.to_dict("records")
        if row["outcome"] == "retained"
    ]


def families(pains: pd.DataFrame, moments: pd.DataFrame) -> dict[str, int]:
    """How many comparisons each family of the map has."""
    tests = {}
    if len(pains):
        tests[FAMILY_OF_PAINS] = int((pains["level"] == "stage").sum())
    if len(moments):
        tests[FAMILY_OF_MOMENTS] = int((moments["status"] == "tested").sum())
    return tests


def _worst_part(source: Source, pain: Any) -> str | None:
    """The part of a pain that weighs most among those that are significant."""
    weights = source.journey.map.weights.model_dump()
    parts = [
        part
        for part in PAINS
        if pain[f"{part}_p_adjusted"] < CLAIM and pain[f"{part}_excess"] >= MATERIAL
    ]
    return max(parts, key=lambda name: weights[name] * pain[f"{name}_excess"], default=None)


def _part_words(pain: Any, part: str) -> str:
    what, usual = PAINS[part]
    reference = usual.format(about(pain[f"{part}_reference"]))
    base = f"{confidence(pain[f'{part}_low'], pain[f'{part}_high'])}, n = {pain[f'{part}_n']:,}"
    return f"{about(pain[part])} ({base}) {what.format(stage=pain['stage'])}, {reference}"


def _pain_finding(source: Source, pain: Any) -> Finding | None:
    """The stage with what hurts most there."""
    part = _worst_part(source, pain)
    if part is None or pain["p_adjusted"] >= CLAIM:
        return None
    return Finding(
        topic=f"stage {pain['stage']}",
        claim=f"{pain['stage']} is {'the biggest' if pain['share_first'] >= FIRST_FROM else 'among the biggest'} pain "
        f"point{'' if pain['share_first'] >= FIRST_FROM else 's'}: {_part_words(pain, part)}.",
        direction="bad",
        family=FAMILY_OF_PAINS,
        p_adjusted=pain["p_adjusted"],
        value=pain[f"{part}_excess"],
        n=int(pain[f"{part}_n"]),
        unit="share",
        customers=int(pain["affected"]),
        figure="pain_points",
        next_step=_next_step(source, pain["stage"]),
    )


def _next_step(source: Source, name: str) -> str:
    """What the team has written down for the stage: who owns it, and its opportunities."""
    stage = next(stage for stage in source.journey.stages if stage.name == name)
    ideas = [
        *stage.opportunities,
        *(idea for touchpoint in stage.touchpoints for idea in touchpoint.opportunities),
    ]
    if not ideas:
        return f"Look at the touchpoints of {name}."
    owner = f"{joined(stage.owner)}: " if stage.owner else ""
    return f"{owner}{'; '.join(ideas)}."


def headline(
    source: Source,
    table: pd.DataFrame,
    felt: tuple[pd.DataFrame, pd.DataFrame],
    moments: pd.DataFrame,
    pains: pd.DataFrame,
) -> str:
    """One paragraph a stakeholder can read: the pain, the pattern, the moment, who is on the map."""
    parts = [_pain(source, pains)]
    if source.opinions is not None:
        parts.append(_feeling(source, *felt))
    named = moments[moments["named"]] if len(moments) else moments
    parts += [str(named.iloc[0]["text"])] if len(named) else []
    parts.append(_who(source, table))
    return " ".join(part for part in parts if part)


def _pain(source: Source, pains: pd.DataFrame) -> str:
    found = significant_pains(pains, "stage") if len(pains) else pains
    if not len(found):
        return nothing_stands_out(pains) if source.walk is not None else ""
    part = _worst_part(source, found.iloc[0])
    name, _, drawn = str(first_pain(pains, "stage")).partition(" (")
    if part is None:
        return f"{name} ({drawn}."
    return f"{name}: {_part_words(found.iloc[0], part)}. It is {drawn.removesuffix(')')}."


def _who(source: Source, table: pd.DataFrame) -> str:
    if source.walk is None:
        heard = int(table["n_feedback"].sum())
        return f"{count_of(heard, 'answer')} at {int((table['n_feedback'] > 0).sum())} of {count_of(len(source.stages), 'stage')}; no events are given, so nothing here says what customers did."
    n, ended = source.walk.customers, int(source.walk.ended.sum())
    share = (
        f", and {100 * (ended / n):.0f}% of them have been inactive for more than {_silence(source)}"
        if n
        else ""
    )
    return (
        f"{count_of(n, 'customer')} on a journey of {count_of(len(source.stages), 'stage')}{share}."
    )


def _silence(source: Source) -> str:
    return timespan(microseconds(source.journey.silent_after, "map.silent_after"))


def _feeling(source: Source, line: pd.DataFrame, patterns: pd.DataFrame) -> str:
    shown = patterns[patterns["pattern"].isin(["trough", "peak"])] if len(patterns) else patterns
    shown = shown if len(shown) else patterns
    if not len(shown):
        compared = feelings_compared(line, source.groups.name)
        nothing = "No pattern of sentiment is statistically significant"
        return f"{nothing if compared else FEELINGS_UNKNOWN}."
    return str(shown.iloc[0]["text"]).split("; ")[0] + "."


def definition(source: Source, outcome: str) -> dict[str, str]:
    """What decided the numbers."""
    journey, opinions = source.journey, source.opinions
    words = {
        "stages": " → ".join(source.stages),
        "mapped event": "an event of a touchpoint that customers see; where a stage has only touchpoints behind the stage, those",
        "enters": "at the first mapped event of the stage, whatever came before; once per customer",
        "ended": f"inactive for more than {_silence(source)} since the latest mapped event; the others are still moving",
        "in order": "cj.funnel over the stages without a limit of time; all other counts take stages in any order",
        "ties": "events of one instant by stage, then event name, then the other columns",
        "by": source.groups.name or "all together",
        "weights of a pain point": ", ".join(
            f"{name} {weight:g}" for name, weight in journey.map.weights.model_dump().items()
        ),
        "a contact with support": "counts where the customer was: at the latest mapped event before it that is no contact itself",
        "outcome of moments": f"{outcome}, within {journey.map.outcome_after} after",
        "small n": f"a cell below {MIN_N} is grey; a part of a pain point below {MIN_N} is not measured",
    }
    if source.log is not None:
        words["end of data"] = f"{source.log.observed_until:%Y-%m-%d %H:%M} ({source.log.timezone})"
        late = late_in_words(source.log)
        words |= {"last days": late} if late else {}
    slow = [stage.name for stage in journey.stages if stage.expected is None]
    words["slow is not assessed"] = (
        ", ".join(slow) + " (no expected time in the journey file)"
        if slow
        else "assessed for every stage but the last"
    )
    if opinions is None:
        return words | {"feedback": "none given: nothing here says what customers feel"}
    words |= {f"feedback {name}": text for name, text in opinions.assigned.definition.items()}
    words["texts"] = opinions.text_words
    words["feedback outside the span of the log"] = f"{opinions.left_out:,} left out"
    words["lead measure"] = (
        f"{opinions.lead or 'none'}: the one with most answers; it alone names patterns"
    )
    if opinions.lead == "text":
        words["patterns"] = (
            "judged by the ratings that the scorer of the texts was fitted to (−1, 0, 1; less what NPS, CSAT or stars have in common): what it learnt from them is in no interval of its scores"
            if opinions.fitted
            else f"differences of mean sentiment of {TOPIC_SHIFT} or more: with what people write about, the scorer errs by less"
        )
    kept = ", ".join(f"{score}: {kind} answers only" for score, kind in opinions.kinds.items())
    words["solicited and unsolicited"] = kept or "no score has both kinds"
    if source.groups.name is not None:
        words["anonymous feedback"] = (
            "in no group: only feedback of customers in the log is grouped"
        )
    return words


def metrics(source: Source, table: pd.DataFrame, pains: pd.DataFrame) -> dict[str, Metric]:
    """Flat numbers, for comparing runs and for alerts; those of the stage with the most pain come first."""
    named: dict[str, Metric] = (
        {}
        if source.walk is None
        else {"customers": metric(source.walk.customers, label="Customers on the journey")}
    )
    if source.groups.name is None:
        stages = pains[pains["level"] == "stage"].to_dict("records") if len(pains) else []
        painful = [row["stage"] for row in stages if row["significant"] and row["impact"] > 0]
        ordered = sorted(
            table.to_dict("records"),
            key=lambda row: (
                painful.index(row["stage"]) if row["stage"] in painful else len(painful)
            ),
        )
        for row in ordered:
            named |= _of_stage(row, "" if source.opinions is None else source.opinions.text_scale)
        named |= {
            f"impact_{row['stage']}": metric(
                row["impact"],
                row["impact_low"],
                row["impact_high"],
                row["affected"],
                label=f"Impact of the pain at {row['stage']}",
                better="lower",
            )
            for row in stages
            if pd.notna(row["impact"])
        }
    return named if source.opinions is None else named | dict(source.opinions.assigned.metrics)


def _of_stage(row: dict[Hashable, Any], text_scale: str) -> dict[str, Metric]:
    return {
        f"{'share_satisfied' if measure == 'csat' else measure}_{row['stage']}": metric(
            row[measure],
            row[f"{measure}_low"],
            row[f"{measure}_high"],
            None if base is None else int(row[base]),
            label=label.format(row["stage"]),
            unit=unit,
            better=better,
            scale=text_scale if measure == "mean_score" else "",
        )
        for measure, base, label, unit, better in STAGE_METRICS
        if pd.notna(row[measure])
    }
