"""Where the notebooks and the sample business lie: inside the package where it is installed, beside it in a checkout."""

from __future__ import annotations

import os
from pathlib import Path

_INSIDE = Path(__file__).parent / "packaged"
HOME = _INSIDE if _INSIDE.is_dir() else Path(__file__).parents[1]
NOTEBOOKS = HOME / "notebooks"
SAMPLE = HOME / "data" / "sample"
DOCS = HOME / "docs"


def meant_journey(path: Path) -> Path:
    """The journey file that a notebook means by `../journey.yml` where it does not run in its own folder.

    Such a path is looked for where it leads; then it is the file that `CJ_JOURNEY` names, the one below this folder, or the sample's.
    """
    if path.is_absolute() or ".." not in path.parts or path.exists():
        return path
    below = Path(*(part for part in path.parts if part != ".."))
    given = os.environ.get("CJ_JOURNEY")
    if given:
        return Path(given)
    sample = SAMPLE / "journey.yml"
    return sample if not below.exists() and below.parts[-3:] == sample.parts[-3:] else below
