"""Which figures retention can be drawn as: cohorts as a grid, averages as curves, which cohorts stand out, what they are worth."""

from __future__ import annotations

from cjlib.views.plots.retention_cohorts import cohorts
from cjlib.views.plots.retention_curves import average, value
from cjlib.views.plots.retention_differences import differences
from cjlib.views.plots.retention_segments import segments

VIEWS = {
    "Retention": {
        "cohorts": cohorts,
        "average": average,
        "segments": segments,
        "differences": differences,
        "value": value,
    }
}
