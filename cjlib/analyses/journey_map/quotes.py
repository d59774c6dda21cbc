"""Up to three quotes for each stage and touchpoint: typical ones of different people, scrubbed."""

from __future__ import annotations

import numpy as np
import pandas as pd

from cjlib.analyses.feedback.texts.quotes import Said, text_vectors
from cjlib.analyses.journey_map.feedback import Opinions
from cjlib.analyses.journey_map.stage_mapping import Ints, Places

COLUMNS = ["stage", "touchpoint", "feedback_id", "label", "text"]
FEWEST = 5
"""A group of fewer texts is not quoted: it would point at people."""


def quotes(opinions: Opinions | None, places: Places) -> pd.DataFrame:
    """`.quotes`: for each stage, then for each of its touchpoints."""
    if opinions is None or opinions.rows["label"].isna().all():
        return pd.DataFrame(columns=COLUMNS, dtype="str")
    rows = opinions.rows[opinions.rows["label"].notna() & (opinions.rows["stage"] >= 0)]
    said = Said.of(rows.assign(position=np.arange(len(rows))), text_vectors(rows["text"].tolist()))
    at_stage, at_point = (rows[name].to_numpy() for name in ("stage", "point"))
    found = []
    for stage, name in enumerate(places.stages):
        found += _of(said, np.flatnonzero(at_stage == stage), name, None)
        for point in np.flatnonzero(places.stage_of_point == stage) if places.points else ():
            found += _of(said, np.flatnonzero(at_point == point), name, places.points[point][1])
    return pd.DataFrame(found, columns=COLUMNS, dtype="str")


def _of(said: Said, group: Ints, stage: str, touchpoint: str | None) -> list[tuple]:
    return (
        [(stage, touchpoint, *quote) for quote in said.typical(group)]
        if group.size >= FEWEST
        else []
    )
