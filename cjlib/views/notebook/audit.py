"""A page to label a random sample of texts by keyboard, so that a model's index becomes a share."""

from __future__ import annotations

import os
from html import escape
from pathlib import Path
from typing import Any

import pandas as pd

from cjlib.analyses.feedback.score_texts import scored_feedback
from cjlib.analyses.feedback.sentiment import audit_sample
from cjlib.errors import CjlibError, DataError, listed, shown
from cjlib.show.numbers import count_of
from cjlib.sources.feedback.table import Feedback
from cjlib.views.frontend import has_widgets

KEYS = {"n": "negative", "e": "neutral", "p": "positive"}
BACK = "b"


def explore_audit(
    feedback: Feedback,
    *,
    path: str | Path,
    by: str | None = None,
    per_segment: int = 60,
    seed: int = 0,
) -> AuditPage:
    """A page that shows a random sample of texts, one at a time, to be labelled by people; every label is kept in a CSV at once.

    The sample is `cj.audit_sample`'s: `per_segment` texts of each segment, in shuffled order, the
    model's label hidden, personal data removed. The keys are n (negative), e (neutral), p
    (positive), b (back); the buttons do the same. Labels already in the file are kept, and
    labelling goes on behind them. In a report (`CJLIB_MODE=report`) the page says how many are
    labelled and how to go on.

    Parameters
    ----------
    feedback
        The feedback whose texts are labelled.
    path
        The CSV with `feedback_id` and `label`; made with the first label.
    by, per_segment, seed
        As `cj.audit_sample` takes them; with other values another sample is drawn.

    Returns
    -------
    AuditPage
        `.labels()` is the table that `cj.sentiment(feedback, audit=…)` takes.

    Raises
    ------
    CjlibError
        If `feedback` is not what `cj.read_feedback` gives, or `by` is no column of it.
    DataError
        If the file is no CSV of labels.
    """
    if not isinstance(feedback, Feedback):
        raise CjlibError(
            f"feedback: must be what cj.read_feedback gives. Got {shown(type(feedback).__name__)}."
        )
    if not (scored_feedback(feedback).table["status"] == "scored").any():
        return AuditPage(pd.DataFrame({"feedback_id": [], "text": []}), Path(path))
    return AuditPage(audit_sample(feedback, by=by, per_segment=per_segment, seed=seed), Path(path))


class AuditPage:
    """What `cj.explore_audit` gives: the sample, the labels so far, and where the next text is."""

    def __init__(self, sample: pd.DataFrame, path: Path) -> None:
        self._texts = dict(
            zip(sample["feedback_id"].astype("str"), sample["text"].astype("str"), strict=True)
        )
        self._path = path
        self._labels = _kept(path)
        self._order = list(self._texts)
        self._at = self._first_open()

    def _first_open(self) -> int:
        return next(
            (place for place, one in enumerate(self._order) if one not in self._labels),
            len(self._order),
        )

    def labels(self) -> pd.DataFrame:
        """`feedback_id` and `label` of what has been labelled, in the sample's order, then what the file had beside it."""
        every = [
            *(one for one in self._order if one in self._labels),
            *sorted(set(self._labels) - set(self._order)),
        ]
        return pd.DataFrame(
            {"feedback_id": every, "label": [self._labels[one] for one in every]}, dtype="str"
        )

    def press(self, key: str) -> None:
        """What a key does: a label for the text that is shown, or back by one. Other keys do nothing."""
        key = key.strip().casefold()[-1:]
        if key == BACK:
            self._at = max(self._at - 1, 0)
        elif key in KEYS and self._at < len(self._order):
            self._labels[self._order[self._at]] = KEYS[key]
            self._write()
            self._at += 1

    def _write(self) -> None:
        """Beside the file, then in its place: a reader never sees half of it."""
        beside = self._path.with_name(f".{self._path.name}.part")
        self.labels().to_csv(beside, index=False)
        os.replace(beside, self._path)

    # ---- what is seen ----------------------------------------------------------------------------------------------

    @property
    def progress(self) -> str:
        """How far the labelling is, in words."""
        if not self._order:
            return "There is no text in English to label."
        done = sum(one in self._labels for one in self._order)
        return f"{done:,} of {count_of(len(self._order), 'text')} labelled; labels are kept in {self._path.name}."

    def _shown_text(self) -> str:
        if self._at >= len(self._order):
            return "<p>All labelled. Give the file as <code>audit</code> and run the notebook again.</p>"
        one = self._order[self._at]
        now = f" (now: {self._labels[one]})" if one in self._labels else ""
        return f'<p>Text {self._at + 1:,} of {len(self._order):,}{now}</p><blockquote dir="auto">{escape(self._texts[one])}</blockquote>'

    @property
    def html(self) -> str:
        """What a report shows in the page's place."""
        how = "Open this notebook in JupyterLab to label on: n negative, e neutral, p positive. Label every text, also the hard ones: only a whole random sample stands for the rest."
        return f'<section class="cj-audit"><p>{escape(self.progress)}</p><p>{escape(how)}</p></section>'

    def widget(self) -> Any:
        """The live page."""
        import ipywidgets as w

        text, progress = w.HTML(), w.HTML()
        keys = w.Text(
            placeholder="type n, e, p or b here", description="Key", continuous_update=True
        )
        buttons = [
            w.Button(description=f"{name} ({key})") for key, name in {**KEYS, BACK: "back"}.items()
        ]

        def renew() -> None:
            text.value, progress.value = self._shown_text(), f"<p>{escape(self.progress)}</p>"

        def typed(change: Any) -> None:
            if change["new"]:
                self.press(change["new"])
                keys.value = ""
                renew()

        def pressed(button: Any) -> None:
            self.press(button.description[-2])
            renew()

        keys.observe(typed, names="value")
        for button in buttons:
            button.on_click(pressed)
        renew()
        return w.VBox(
            [progress, text, keys, w.HBox(buttons, layout=w.Layout(flex_flow="row wrap"))]
        )

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        static = {"text/plain": self.progress, "text/html": self.html}
        return static if not has_widgets() else {**self.widget()._repr_mimebundle_(), **static}


def _kept(path: Path) -> dict[str, str]:
    """The labels of a file that is there already."""
    if not path.is_file():
        return {}
    try:
        table = pd.read_csv(path, dtype="str", keep_default_na=False)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError):
        table = pd.DataFrame()
    if not {"feedback_id", "label"} <= set(table.columns):
        raise DataError(
            f"path: {shown(path.name)} is no file of labels: it needs the columns 'feedback_id' and 'label'. Name another file, or move this one."
        )
    written = table[table["label"].str.strip() != ""]
    wrong = sorted(set(written["label"]) - set(KEYS.values()))
    if wrong:
        raise DataError(
            f"path: labels must be one of {listed(KEYS.values())}. {shown(path.name)} has {listed(wrong)}."
        )
    return dict(zip(written["feedback_id"], written["label"], strict=True))
