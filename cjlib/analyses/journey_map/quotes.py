"""Up to three quotes for each stage and touchpoint: typical ones of different people, scrubbed."""

from __future__ import annotations

import numpy as np
import pandas as pd

from cjlib.analyses.journey_map.opinions import Opinions
from cjlib.analyses.journey_map.places import Places
from cjlib.analyses.texts.quotes import representative, text_vectors

COLUMNS = ["stage", "touchpoint", "feedback_id", "label", "text"]
FEWEST = 5
"""A group of fewer texts is not quoted: it would point at people."""


def quotes(opinions: Opinions | None, places: Places) -> pd.DataFrame:
    """`.quotes`: for each stage, then for each of its touchpoints."""
    if opinions is None or opinions.rows["label"].isna().all():
        return pd.DataFrame(columns=COLUMNS, dtype="str")
    rows = opinions.rows[opinions.rows["label"].notna() & (opinions.rows["stage"] >= 0)].reset_index(drop=True)
    rows = rows.assign(position=np.arange(len(rows)))
    vectors = text_vectors(rows["text"].tolist())
    found = []
    for stage, name in enumerate(places.stages):
        found += _of(rows[rows["stage"] == stage], vectors, name, None)
        for point in np.flatnonzero(places.stage_of_point == stage) if places.points else ():
            found += _of(rows[rows["point"] == point], vectors, name, places.points[point][1])
    return pd.DataFrame(found, columns=COLUMNS, dtype="str")


def _of(rows: pd.DataFrame, vectors, stage: str, touchpoint: str | None) -> list[tuple]:
    if len(rows) < FEWEST:
        return []
    return [(stage, touchpoint, *quote) for quote in representative(rows, vectors)]
