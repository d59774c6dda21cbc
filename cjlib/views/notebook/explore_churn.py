"""A target list to play with: in Lab budget, costs and success share are chosen live; in a report some success shares are computed beforehand."""

from __future__ import annotations

import os
from collections.abc import Mapping
from html import escape
from typing import TYPE_CHECKING, Any

from cjlib.errors import CjlibError
from cjlib.show.numbers import about, count_of
from cjlib.show.tables import table_html

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

    from cjlib.analyses.churn import ChurnScores, TargetList

SHARES = (0.05, 0.1, 0.2, 0.3, 0.5)
SHOWN = 10
FILE = "contact_list.csv"


def explore_targets(
    scores: ChurnScores,
    *,
    offer_cost: float | None,
    contact_cost: float | None,
    success_share: float,
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
        static = self.figure()._repr_mimebundle_()
        if os.environ.get("CJLIB_MODE") == "report":
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

    def figure(self) -> go.Figure:
        """The profit curve with a list of success shares."""
        from cjlib.views.plots.target_list import profit_choices

        first = self._first["success_share"]
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
            value=start["success_share"],
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
