"""The journey map to play with: in Lab period, segment, stage and what-if are chosen live; in a report the choices are pictures computed beforehand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from cjlib.analyses.result import Result
from cjlib.errors import CjlibError, not_a_log
from cjlib.show.tables import table_html
from cjlib.sources.log.event_log import EventLog, segment_columns
from cjlib.views.frontend import has_widgets
from cjlib.views.map_html import RenderedMap, render_map

if TYPE_CHECKING:
    from cjlib.analyses.journey_map import JourneyMap
    from cjlib.analyses.personas import Personas
    from cjlib.sources.feedback.table import Feedback
    from cjlib.sources.journey import Journey

TOGETHER, EVERY, PERSONA = "(all together)", "all", "persona"
MOST_GROUPS = 4


@dataclass(frozen=True)
class Choice:
    """What is looked at: bounds of time (empty: none), the segment (None: all together) and its group."""

    start: str = ""
    end: str = ""
    by: str | None = None
    group: str = EVERY


class MapExplorer:
    """What `explore_map` gives; each choice is counted once and kept."""

    def __init__(
        self,
        journey: Journey,
        log: EventLog,
        feedback: Feedback | None,
        *,
        by: str | None,
        personas: Personas | None,
    ) -> None:
        self._journey, self._log, self._feedback, self._by = journey, log, feedback, by
        self._personas = None if personas is None else _named(personas)
        self._counted: dict[Choice, JourneyMap] = {}
        self._alone: dict[Choice, JourneyMap] = {}

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> Mapping[str, Any]:
        static = self.twin()._repr_mimebundle_()
        if not has_widgets():
            return static
        return {**self.widget()._repr_mimebundle_(), **static}

    def keep(self, *made: JourneyMap) -> MapExplorer:
        """The same, with maps that are made already: of everything, or by a segment."""
        self._counted |= {Choice(by=one.groups.name): one for one in made}
        return self

    def map(self, choice: Choice = Choice()) -> JourneyMap:
        """The map of a choice; with a segment the map of all its groups."""
        from cjlib.analyses.journey_map import journey_map

        key = replace(choice, group=EVERY)
        if key not in self._counted:
            log = (
                self._log.where(start=choice.start or None, end=choice.end or None)
                if choice.start or choice.end
                else self._log
            )
            by = self._personas if choice.by == PERSONA else choice.by
            self._counted[key] = journey_map(self._journey, log, self._feedback, by=by)
        return self._counted[key]

    def map_within(self, choice: Choice) -> JourneyMap:
        """The map of the customers of the chosen group alone: their touchpoints, routes, quotes and what-ifs."""
        held = self.map(choice)
        if choice.by is None:
            return held
        key = replace(choice, group=_group(held, choice))
        if key not in self._alone:
            groups, log = held.groups, held._source.log
            assert groups.of is not None
            assert log is not None
            ids = np.asarray(log.customer_ids(), dtype=object)[
                groups.of == groups.words().index(key.group)
            ]
            self._alone[key] = held.only(ids, f"{choice.by} {key.group}")
        return self._alone[key]

    # ---- in a report -----------------------------------------------------------------------------------------------

    def twin(self) -> RenderedMap:
        """For a report: what stands behind each stage, and the segments side by side, as folded tables that need no script."""
        whole = self.map()
        parts = [
            f"<details><summary>{escape(stage)}: customers, routes, quotes</summary>{self.stage_html(whole, stage)}</details>"
            for stage in self._journey.stage_names
        ]
        if self._by is not None:
            grouped = self.map(Choice(by=self._by))
            shown_columns = [
                self._by,
                "stage",
                "customers",
                "share_of_previous",
                "share_ended",
                "mean_score",
                "nps",
                "csat",
                "evidence",
            ]
            held = grouped.table[
                grouped.table[self._by].isin(
                    grouped.table[self._by].drop_duplicates().head(MOST_GROUPS)
                )
            ]
            parts.append(
                f"<details><summary>By {escape(self._by)}</summary>{table_html(held[shown_columns])}</details>"
            )
        future = [
            f"<li>{escape(self.what_if(stage, 0.05))}</li>"
            for stage in self._journey.stage_names[1:]
            if self._is_counted(stage)
        ]
        parts.append(
            f"<details><summary>What if five points more went on to a stage?</summary><ul>{''.join(future)}</ul></details>"
        )
        return RenderedMap(
            html=f'<div class="cj-explore">{"".join(parts)}</div>',
            text="What stands behind each stage, by segment, and what if.",
        )

    def _is_counted(self, stage: str) -> bool:
        return any(entry.stage == stage for entry in self._journey.mapping)

    def stage_html(self, held: JourneyMap, stage: str) -> str:
        """Touchpoints, routes and quotes of one stage, every text escaped."""
        points = held.touchpoints[held.touchpoints["stage"] == stage]
        routes = held.routes[held.routes["source"] == stage] if len(held.routes) else held.routes
        quotes = held.quotes[(held.quotes["stage"] == stage) & held.quotes["touchpoint"].isna()]
        listed = "".join(
            f"<li><q><bdi>{escape(one['text'])}</bdi></q> {escape(one['label'])} · {escape(one['feedback_id'])}</li>"
            for one in quotes.to_dict("records")
        )
        moves = (
            table_html(
                routes[
                    ["target", "kind", "planned", "customers", "share_of_source", "median_seconds"]
                ]
            )
            if len(routes)
            else "<p>No route leads on.</p>"
        )
        return (
            table_html(
                points[
                    [
                        "touchpoint",
                        "backstage",
                        "customers",
                        "share_of_stage",
                        "events",
                        "ended_here",
                        "n_feedback",
                        "mean_score",
                        "evidence",
                    ]
                ]
            )
            + moves
            + (f"<ul>{listed}</ul>" if listed else "<p>No words to quote.</p>")
        )

    def what_if(self, stage: str, change: float, choice: Choice = Choice()) -> str:
        """The sentence of a what-if."""
        return self.map_within(choice).simulate({stage: change}).headline

    # ---- in Lab ----------------------------------------------------------------------------------------------------

    def widget(self) -> Any:
        """Live: bounds of time, segment and group, the stage to look into, and a slider of points more or less."""
        import ipywidgets as w

        personas = [] if self._personas is None else [PERSONA]
        segments = [
            TOGETHER,
            *dict.fromkeys(
                [*([self._by] if self._by else []), *personas, *segment_columns(self._log)]
            ),
        ]
        start, end = (
            w.Text(description="From", placeholder="2025-01-01"),
            w.Text(description="To", placeholder="2025-12-31"),
        )
        for bound in (start, end):
            bound.continuous_update = False
        by = w.Dropdown(options=segments, value=TOGETHER, description="Segment")
        group = w.Dropdown(options=[EVERY], value=EVERY, description="Group")
        stage = w.ToggleButtons(options=self._journey.stage_names, description="Stage")
        change = w.IntSlider(
            value=5, min=-20, max=20, description="Points", continuous_update=False
        )
        view, inside, future = w.HTML(), w.HTML(), w.HTML()

        def renew(_: Any = None) -> None:
            column = None if by.value == TOGETHER else str(by.value)
            choice = Choice(str(start.value), str(end.value), column, str(group.value))
            view.value, names = self.shown(choice)
            if list(group.options) != names:
                group.options = names
            inside.value = self.inside(choice, str(stage.value))
            future.value = self.future(choice, str(stage.value), int(change.value) / 100)

        for control in (start, end, by, group, stage, change):
            control.observe(renew, names="value")
        renew()
        return w.VBox(
            [
                w.HBox([start, end, by, group], layout=w.Layout(flex_flow="row wrap")),
                view,
                stage,
                inside,
                change,
                future,
            ]
        )

    def shown(self, choice: Choice) -> tuple[str, list[str]]:
        """The picture of a choice as HTML and the groups there are; a choice that cannot be counted says why."""
        try:
            held = self.map(choice)
        except CjlibError as fault:
            return _why(fault), [EVERY]
        return render_map(
            held, None if choice.by is None else _group(held, choice)
        ).html, held.groups.words()

    def inside(self, choice: Choice, stage: str) -> str:
        """What stands behind a stage, as HTML."""
        try:
            return self.stage_html(self.map_within(choice), stage)
        except CjlibError as fault:
            return _why(fault)

    def future(self, choice: Choice, stage: str, change: float) -> str:
        """A what-if as HTML; a stage without touchpoints says why it has none."""
        try:
            return f'<p class="cj-headline">{escape(self.what_if(stage, change, choice))}</p>'
        except CjlibError as fault:
            return _why(fault)


def _why(fault: CjlibError) -> str:
    return f'<p role="alert">{escape(str(fault))}</p>'


def _group(held: JourneyMap, choice: Choice) -> str:
    """The chosen group, or the largest where the choice is of another segment."""
    names = held.groups.words()
    return choice.group if choice.group in names else names[0]


def _named(personas: Personas) -> pd.Series:
    """The persona of each customer in words; those too little seen have none."""
    names = {
        label: f"{label}: {name}"
        for label, name in zip(personas.table["persona"], personas.table["name"], strict=True)
    }
    members = personas.members[personas.members["persona"].isin(list(names))]
    return members.set_index("customer_id")["persona"].map(names).rename(PERSONA)


def explore_map(
    journey: Journey,
    log: EventLog | None,
    feedback: Feedback | None = None,
    *,
    by: str | None = None,
    journey_map: JourneyMap | None = None,
    groups: JourneyMap | None = None,
    personas: Personas | None = None,
) -> MapExplorer | Result:
    """The map with its period, segment, persona and stage to choose, and what-if sliders; in a report folded tables hold choices counted beforehand.

    Parameters
    ----------
    journey, log, feedback
        As `cj.journey_map` takes them.
    by
        The segment that the report shows too.
    journey_map
        The map of everything, if there is one already, so that it is not counted again.
    groups
        The map by the segment, if there is one already.
    personas
        What `cj.personas` gives, to choose personas too.

    Returns
    -------
    MapExplorer
        `.twin()` is the report's choice, `.widget()` the live one; shown in a notebook it is the
        one that works there. Without events an unanswered result: periods, segments and what-ifs
        are those of customers.

    Raises
    ------
    CjlibError
        If the log is something else than a log; and when it is shown, as `cj.journey_map` says.
    """
    if log is None:
        return Result.unanswered("Without events there are no customers to choose among.")
    if not isinstance(log, EventLog):
        raise not_a_log(log)
    explorer = MapExplorer(
        journey,
        log,
        feedback,
        by=by,
        personas=personas if personas is not None and personas.answered else None,
    )
    return explorer.keep(*(one for one in (journey_map, groups) if one is not None))
