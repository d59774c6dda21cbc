"""An experiment to play with: in Lab measure, segment and look are chosen live; in a report the choices are computed beforehand."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import TYPE_CHECKING, Any

from cjlib.analyses.experiment import Experiment
from cjlib.errors import CjlibError, shown
from cjlib.views.frontend import bundle_of, has_widgets

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from cjlib.analyses.result import Result

TOGETHER = "(all together)"
MOST_MEASURES = 6
EARLIER_LOOKS = 3


def explore_experiment(result: Experiment) -> ExperimentExplorer | Result:
    """An experiment whose measure, segment and look can be changed in the notebook; nothing is counted anew.

    In JupyterLab lists choose; in a report (`CJLIB_MODE=report`) a list offers the measures, the
    segments and some earlier looks. What is shown is exploratory: it decides nothing.

    Parameters
    ----------
    result
        What `cj.experiment` gave.

    Returns
    -------
    ExperimentExplorer
        `.figure()` is the report's figure, `.widget()` the live one; the result itself where it is
        unanswered.

    Raises
    ------
    CjlibError
        If `result` is no experiment.
    """
    if not isinstance(result, Experiment):
        raise CjlibError(
            f"result: must be what cj.experiment gave. Got {shown(type(result).__name__)}."
        )
    return ExperimentExplorer(result) if result.answered else result


class ExperimentExplorer:
    """What `explore_experiment` gives."""

    def __init__(self, result: Experiment) -> None:
        self._result = result
        self._measures, self._times, self._columns = result.choices

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        static = bundle_of(self.figure())
        if not has_widgets():
            return static
        return {**self.widget()._repr_mimebundle_(), **static}

    def rows(
        self, measure: str, column: str = TOGETHER, look: int | None = None
    ) -> list[dict[str, Any]]:
        """What a choice shows: a row a group and arm."""
        if column == TOGETHER:
            return self._named("all", measure, look)
        return [
            row
            for group in self._columns[column]
            for row in self._named(group, measure, look, column=column, group=group)
        ]

    def _named(
        self, name: str, measure: str, look: int | None, **part: str
    ) -> list[dict[str, Any]]:
        found = self._result.at(measure, look=look, **part).to_dict("records")
        several = len(self._result.verdict) > 1
        return [
            {str(key): value for key, value in row.items()}
            | {"group": f"{name}, {row['variant']}" if several else name}
            for row in found
        ]

    def name(self, measure: str, column: str = TOGETHER, look: int | None = None) -> str:
        """A choice in words."""
        by = "" if column == TOGETHER else f" by {column}"
        then = "" if look is None else f", seen on {self._times[look]:%Y-%m-%d}"
        return f"{measure}{by}{then}"

    def choices(self) -> list[tuple[str, str, int | None]]:
        """What a report offers: each measure, each by each column, and some earlier looks of the first."""
        last = len(self._times) - 1
        earlier = sorted({last * part // (EARLIER_LOOKS + 1) for part in range(1, EARLIER_LOOKS + 1)} - {last})  # fmt: skip
        measures = self._measures[:MOST_MEASURES]
        return [
            *((measure, TOGETHER, None) for measure in measures),
            *((measure, column, None) for measure in measures for column in self._columns),
            *((self._measures[0], TOGETHER, look) for look in earlier),
        ]

    def figure(self) -> go.Figure:
        """The differences with a list of choices."""
        from cjlib.views.plots.experiment import slice_choices

        offered = {self.name(*choice): self.rows(*choice) for choice in self.choices()}
        return slice_choices(offered, self._result.stop)

    def widget(self) -> Any:
        """Live: lists for the measure and the segment, a slider for the look, and the figure below."""
        import ipywidgets as w

        measure = w.Dropdown(options=self._measures, description="Measure")
        column = w.Dropdown(options=[TOGETHER, *self._columns], description="Segment")
        look = w.SelectionSlider(
            options=[(f"{time:%Y-%m-%d}", place) for place, time in enumerate(self._times)],
            value=len(self._times) - 1,
            description="Look",
            continuous_update=False,
        )
        words, figure = w.HTML(), w.Output()

        def renew(_: Any = None) -> None:
            words.value, figure.outputs = self.shown(
                str(measure.value), str(column.value), look.value
            )

        for control in (measure, column, look):
            control.observe(renew, names="value")
        renew()
        wrapped = w.Layout(flex_flow="row wrap")
        return w.VBox([w.HBox([measure, column, look], layout=wrapped), words, figure])

    def shown(
        self, measure: str, column: str, look: int | None
    ) -> tuple[str, tuple[Mapping[str, Any], ...]]:
        """What the widget shows for a choice: its name as HTML, and the figure as an output."""
        from cjlib.views.plots.experiment import slice_figure

        name = self.name(measure, column, look)
        drawn = slice_figure(name, self.rows(measure, column, look), self._result.stop)
        output = {
            "output_type": "display_data",
            "data": drawn._repr_mimebundle_(),
            "metadata": {},
        }
        return f'<p class="cj-headline">{escape(name)}</p>', (output,)
