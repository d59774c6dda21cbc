"""What the notebooks claim of the sample business: every cell is run in one process, nothing is drawn, and the findings are read.

    python tests/null/notebook_claims.py --seeds 1 100

With all planted effects off nothing may be claimed but what is built into every sample: words follow the answer they explain, and who uses the product more subscribes and stays.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd

import cjlib as cj
from cjlib.analyses.findings import told
from cjlib.samples import write
from cjlib.shared.comparison import CLAIM

FOLDER = Path(__file__).parents[2] / "notebooks"
NOTEBOOKS = "notebooks.csv"
"""What was claimed of each seed, in a folder of counts."""
DRAWN = ("plot", "render_map", "table", "summary", "progress_bar", "persona_maps", "poster")
BUILT_IN = (
    "share unhappy by theme",
    "words by answer",
    "habits before the outcome",
    "churn by what goes with it",
)
"""Families in which something is true of every sample."""
CHANGES = "ordinary|normal variation|outside|direction|significant"


def claims(folder: Path, notebooks: str = "0*.ipynb") -> list[str]:
    """Every finding of the notebooks on the business of a folder, but for those built in; and what the overview tells first, if it is a change."""
    claimed: dict[str, None] = {}
    for notebook in sorted(FOLDER.glob(notebooks)):
        for result in _results(notebook, folder / "journey.yml"):
            for finding in result.findings:
                if finding.family not in BUILT_IN:
                    claimed[f"{notebook.stem}: {finding.claim}"] = None
            for words in _told_without_findings(result):
                claimed[f"{notebook.stem}: {words}"] = None
    return list(claimed)


def briefing(folder: Path) -> list[str]:
    """What the first page would tell of the business of a folder, but for what is built in."""
    results = [
        result
        for notebook in sorted(FOLDER.glob("0*.ipynb"))
        for result in _results(notebook, folder / "journey.yml")
    ]
    families = {name: count for result in results for name, count in result.families.items()}
    findings = [one for result in results for one in result.findings]
    looked_at = sum(count > 0 for count in families.values())
    return [one.claim for one in told(findings, looked_at) if one.family not in BUILT_IN]


def _told_without_findings(result: Any) -> Iterator[str]:
    """What figures and the overview claim beside the findings."""
    if hasattr(result, "highlights") and (
        result.highlights(3)["reason"].str.contains(CHANGES).any()
    ):
        yield "a change is told first"
    for name in ("patterns", "changes", "shifts"):
        table = getattr(result, name, pd.DataFrame())
        beyond = table.get("significant", table.get("p_adjusted", pd.Series(dtype=float)) < CLAIM)
        for row in table[beyond.astype(bool)].to_dict("records") if len(table) else ():
            yield f"{type(result).__name__}.{name}: {row}"


def _results(notebook: Path, journey: Path) -> Iterator[Any]:
    """The results that the cells of a notebook make, without drawing any."""
    seen: list[Any] = []

    def keep(*given: Any, **options: Any) -> None:
        seen.extend([*given, *options.values()])

    undrawn = ModuleType("cjlib")
    undrawn.__getattr__ = lambda name: getattr(cj, name)  # type: ignore[method-assign]
    for name in dir(cj):
        if name in DRAWN or name.startswith("explore"):
            setattr(undrawn, name, keep)
    space: dict[str, Any] = {}
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    parameters, *rest = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    sys.modules["cjlib"] = undrawn
    try:
        exec(parameters, space)
        space["journey"] = str(journey)
        for cell in rest:
            exec(cell, space)
    finally:
        sys.modules["cjlib"] = cj
    unique = {id(one): one for one in [*seen, *space.values()] if hasattr(one, "findings")}
    yield from unique.values()


def main() -> None:
    """Print what each seed claims, and how many claim nothing; with `--kept` also into a folder of counts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs=2, default=(1, 100))
    parser.add_argument("--effects", action="store_true")
    parser.add_argument("--kept", type=Path, help="the folder from which the page is written")
    chosen = parser.parse_args()
    warnings.simplefilter("ignore")
    quiet, seeds = 0, range(chosen.seeds[0], chosen.seeds[1] + 1)
    for count, seed in enumerate(seeds, start=1):
        with tempfile.TemporaryDirectory() as folder:
            write(folder, seed=seed, effects=chosen.effects)
            claimed, page = claims(Path(folder)), briefing(Path(folder))
        quiet += not claimed
        if chosen.kept is not None:
            _keep(chosen.kept / NOTEBOOKS, seed, claimed, page)
        print(
            f"seed {seed}: {claimed or 'nothing'}; first page: {page or 'nothing'}; {quiet} of {count} claim nothing",
            flush=True,
        )


def _keep(file: Path, seed: int, claimed: list[str], page: list[str]) -> None:
    row = pd.DataFrame(
        {"seed": [seed], "claims": [" / ".join(claimed)], "first_page": [" / ".join(page)]}
    )
    row.to_csv(file, mode="a", header=not file.is_file(), index=False)


if __name__ == "__main__":
    main()
