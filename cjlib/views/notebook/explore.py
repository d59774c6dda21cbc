"""A funnel to play with: in Lab its steps, window and segment are chosen live; in a report the choices are computed beforehand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from cjlib.errors import CjlibError, shown
from cjlib.show.numbers import timespan
from cjlib.sources.log.conditions import Event, as_step
from cjlib.sources.log.durations import Duration, microseconds
from cjlib.sources.log.event_log import EventLog, Log, segment_columns
from cjlib.views.frontend import bundle_of, has_widgets

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from cjlib.analyses.funnel import Funnel
from cjlib.show.numbers import about, count_of
from cjlib.show.tables import table_html

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

    from cjlib.analyses.churn import ChurnScores, TargetList
    from cjlib.analyses.result import Result
WINDOWS = ("1min", "10min", "1h", "6h", "1D", "3D", "7D", "14D", "30D", "90D")
TOGETHER = "(all together)"
NO_LIMIT = "no limit"
PLOTLY = "application/vnd.plotly.v1+json"


def explore(
    log: EventLog,
    steps: Sequence[Event],
    *,
    window: Duration | None,
    by: str | None = None,
    **options: Any,
) -> Explorer:
    """A funnel whose steps, window and segment can be changed in the notebook, each answer counted by `cj.funnel` with the options given.

    In JupyterLab widgets choose; in a report (`CJLIB_MODE=report`), where no kernel runs, a list
    offers other windows and segments of the same steps, counted beforehand.

    Parameters
    ----------
    log, steps, window, by, **options
        As `cj.funnel` takes them: the choice to begin with.

    Returns
    -------
    Explorer
        `.figure()` is the report's figure, `.widget()` the live one; shown in a notebook it is the
        one that works there.

    Raises
    ------
    CjlibError
        If `log` is no event log; and when it is shown, as `cj.funnel` says.
    """
    if not isinstance(log, Log):
        raise CjlibError(
            f"log: must be an event log, as cj.read_events gives it. Got {shown(type(log).__name__)}. To draw a result call cj.plot(result)."
        )
    return Explorer(log, steps, window=window, by=by, **options)


class Explorer:
    """What `cj.explore` gives; counts each choice once and keeps it."""

    def __init__(
        self,
        log: EventLog,
        steps: Sequence[Event],
        *,
        window: Duration | None,
        by: str | None,
        **options: Any,
    ) -> None:
        self._log = log
        self._options = options
        self._steps = {str(as_step(step, "steps")): step for step in steps}
        self._first = [str(as_step(step, "steps")) for step in steps]
        self._given = window
        self._window = NO_LIMIT if window is None else timespan(microseconds(window, "window"))
        self._by = by
        self._counted: dict[tuple[Any, ...], Funnel] = {}

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        static = bundle_of(self.figure())
        if not has_widgets():
            return static
        return {**self.widget()._repr_mimebundle_(), **static}

    def funnel(self, steps: Sequence[str], window: str, by: str | None = None) -> Funnel:
        """The funnel of a choice, in the words of the widgets."""
        from cjlib.analyses.funnel import funnel

        key = (tuple(steps), window, by)
        if key not in self._counted:
            chosen = [self._steps.get(step, step) for step in steps]
            length = None if window == NO_LIMIT else self._windows()[window]
            self._counted[key] = funnel(self._log, chosen, window=length, by=by, **self._options)
        return self._counted[key]

    def _windows(self) -> dict[str, Duration]:
        """Window in words → duration, shortest first: the usual ones and the one to begin with."""
        usual: dict[str, Duration] = {
            timespan(microseconds(window, "window")): window for window in WINDOWS
        }
        every = usual if self._given is None else {**usual, self._window: self._given}
        return dict(sorted(every.items(), key=lambda pair: microseconds(pair[1], "window")))

    # ---- in a report -----------------------------------------------------------------------------------------------

    def figure(self) -> go.Figure:
        """The funnel with a list of choices: the window it began with and those about as long, and the segments."""
        from cjlib.views.plots.funnel import choices

        near = self._near()
        funnels = {
            f"within {one}" if one != NO_LIMIT else "without a limit": self.funnel(self._first, one)
            for one in near
        }
        start = near.index(self._window)
        groups = {
            f"by {name}": self.funnel(self._first, self._window, name)
            for name in self._segments()[:3]
        }
        return choices(funnels, groups, start)

    def _near(self) -> list[str]:
        """The window it began with and those about as long; without a limit those about as long as converting takes."""
        windows = list(self._windows())
        if self._given is not None:
            at = windows.index(self._window)
            return windows[max(0, at - 2) : at + 2]
        typical = (
            self.funnel(self._first, NO_LIMIT)
            .metrics.get("median_seconds_to_convert", {})
            .get("value")
            or 0.0
        )
        longer = [
            one
            for one, length in self._windows().items()
            if microseconds(length, "window") >= typical * 1_000_000
        ]
        return [*(longer or windows)[:3], NO_LIMIT]

    def _segments(self) -> list[str]:
        first = [self._by] if isinstance(self._by, str) else []
        return list(dict.fromkeys([*first, *segment_columns(self._log)]))

    # ---- in Lab ----------------------------------------------------------------------------------------------------

    def widget(self) -> Any:
        """Live: the steps as tags that can be dragged, lists for the window and the segment, and the figure below."""
        import ipywidgets as w

        names = list(dict.fromkeys([*self._first, *self._log.event_names]))
        steps = w.TagsInput(
            value=self._first, allowed_tags=names, allow_duplicates=True, description="Steps"
        )
        window = w.Dropdown(
            options=[*self._windows(), NO_LIMIT], value=self._window, description="Window"
        )
        by = w.Dropdown(
            options=[TOGETHER, *self._segments()],
            value=self._by if isinstance(self._by, str) else TOGETHER,
            description="Segment",
        )
        headline, shown_figure = w.HTML(), w.Output()

        def renew(_: Any = None) -> None:
            headline.value, outputs = self.shown(
                steps.value, str(window.value), None if by.value == TOGETHER else by.value
            )
            shown_figure.outputs = outputs

        for control in (steps, window, by):
            control.observe(renew, names="value")
        renew()
        label = w.HTML(
            '<span id="cj-steps">Steps: type an event to add it, drag to reorder, × to remove</span>'
        )
        return w.VBox(
            [
                label,
                steps,
                w.HBox([window, by], layout=w.Layout(flex_flow="row wrap")),
                headline,
                shown_figure,
            ]
        )

    def shown(
        self, steps: Sequence[str], window: str, by: str | None
    ) -> tuple[str, tuple[Mapping[str, Any], ...]]:
        """What the widget shows for a choice: the headline as HTML, and the figure as an output; a choice that cannot be counted says why."""
        from cjlib.views.plots import plot

        try:
            counted = self.funnel(list(steps), window, by)
        except CjlibError as fault:
            return f'<p role="alert">{escape(str(fault))}</p>', ()
        bundle = plot(counted)._repr_mimebundle_()
        return f'<p class="cj-headline">{escape(counted.headline)}</p>', (
            {"output_type": "display_data", "data": bundle, "metadata": {}},
        )


SHARES = (0.05, 0.1, 0.2, 0.3, 0.5)
SHOWN = 10
FILE = "contact_list.csv"


def explore_targets(
    scores: ChurnScores,
    *,
    offer_cost: float | None,
    contact_cost: float | None,
    success_share: float | Result,
    budget: float | None = None,
    value: Any = None,
) -> TargetExplorer | TargetList:
    """A target list whose budget, costs and success share can be changed in the notebook, each answer counted by `cj.target_list`.

    In JupyterLab sliders choose, list and profit curve follow, and a button writes the list as CSV;
    in a report (`CJLIB_MODE=report`) a list offers other success shares, counted beforehand.

    Parameters
    ----------
    scores, offer_cost, contact_cost, success_share, budget, value
        As `cj.target_list` takes them: the choice to begin with.

    Returns
    -------
    TargetExplorer
        `.figure()` is the report's figure, `.widget()` the live one; the unanswered list where
        there can be none.

    Raises
    ------
    CjlibError, DataError
        As `cj.target_list` says.
    """
    explorer = TargetExplorer(
        scores,
        value,
        {
            "offer_cost": offer_cost,
            "contact_cost": contact_cost,
            "success_share": success_share,
            "budget": budget,
        },
    )
    chosen = explorer.whole({})
    return explorer if chosen.answered else chosen


class TargetExplorer:
    """What `explore_targets` gives; the list is made anew for each choice."""

    def __init__(self, scores: ChurnScores, value: Any, first: Mapping[str, Any]) -> None:
        self._scores = scores
        self._value = value
        self._first = dict(first)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        static = bundle_of(self.figure())
        if not has_widgets():
            return static
        return {**self.widget()._repr_mimebundle_(), **static}

    def targets(self, **choice: Any) -> TargetList:
        """The list of a choice; what is not chosen is as at the beginning."""
        # Without reasons, which no choice changes and only the written list holds.
        return self._list(self._scores.table, choice)

    def whole(self, choice: Mapping[str, Any]) -> TargetList:
        """The list of a choice, with reasons."""
        return self._list(self._scores, choice)

    def _list(self, scores: ChurnScores | pd.DataFrame, choice: Mapping[str, Any]) -> TargetList:
        from cjlib.analyses.churn import target_list

        return target_list(scores, value=self._value, **{**self._first, **choice})

    def _first_share(self) -> float:
        """The success share to begin with, guessed or measured."""
        from cjlib.analyses.churn.targeting import success_share_of

        return success_share_of(self._first["success_share"])[0]

    def figure(self) -> go.Figure:
        """The profit curve with a list of success shares."""
        from cjlib.views.plots.churn import profit_choices

        first = self._first_share()
        shares = sorted({*SHARES, first})
        return profit_choices(
            {
                f"success share {about(share)}": self.targets(success_share=share)
                for share in shares
            },
            shares.index(first),
        )

    def widget(self) -> Any:
        """Live: budget, costs and success share, the headline, the first customers, the profit curve, and a button that writes the list."""
        import ipywidgets as w

        start = self._first
        budget = w.FloatText(
            value=start["budget"] or 0, description="Budget", tooltip="0: no limit"
        )
        offer = w.FloatText(value=start["offer_cost"], description="Offer")
        contact = w.FloatText(value=start["contact_cost"], description="Contact")
        share = w.FloatSlider(
            value=self._first_share(),
            min=0,
            max=1,
            step=0.01,
            description="Success",
            continuous_update=False,
        )
        words, shown_figure, written = w.HTML(), w.Output(), w.HTML()
        path = w.Text(value=FILE, description="File")
        write = w.Button(
            description="Write the list",
            tooltip="As CSV, with a control group that must not be contacted",
        )

        def choice() -> dict[str, Any]:
            return {
                "budget": budget.value or None,
                "offer_cost": offer.value,
                "contact_cost": contact.value,
                "success_share": share.value,
            }

        def renew(_: Any = None) -> None:
            words.value, shown_figure.outputs = self.shown(choice())
            written.value = ""

        for control in (budget, offer, contact, share):
            control.observe(renew, names="value")
        write.on_click(lambda _: written.set_trait("value", self.write(path.value, choice())))
        renew()
        wrapped = w.Layout(flex_flow="row wrap")
        return w.VBox(
            [
                w.HBox([budget, offer, contact, share], layout=wrapped),
                words,
                shown_figure,
                w.HBox([path, write], layout=wrapped),
                written,
            ]
        )

    def write(self, path: str, choice: Mapping[str, Any]) -> str:
        """Write the list of a choice as CSV; where it went as HTML, or why it could not be written."""
        try:
            chosen = self.whole(choice)
            chosen.write_csv(path)
        except (CjlibError, OSError) as fault:
            return f'<p role="alert">{escape(str(fault))}</p>'
        control = int(chosen.export["control"].sum())
        written = count_of(len(chosen.export), "customer")
        apart = f"; do not contact the {control:,} marked as control" if control else ""
        return f'<p role="status">{written} written to {escape(path)}{apart}.</p>'

    def shown(self, choice: Mapping[str, Any]) -> tuple[str, tuple[Mapping[str, Any], ...]]:
        """Headline and first customers as HTML, and the figure as an output; a choice that cannot be used says why."""
        from cjlib.views.plots import plot

        try:
            chosen = self.targets(**choice)
        except CjlibError as fault:
            return f'<p role="alert">{escape(str(fault))}</p>', ()
        columns = [
            "rank",
            "customer_id",
            "churn_probability",
            "value",
            "expected_profit",
            "selected",
        ]
        bundle = plot(chosen, "profit")._repr_mimebundle_()
        html = f'<p class="cj-headline">{escape(chosen.headline)}</p>{table_html(chosen.table[columns].head(SHOWN))}'
        return html, ({"output_type": "display_data", "data": bundle, "metadata": {}},)
