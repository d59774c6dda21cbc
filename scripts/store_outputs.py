"""Run the notebooks and store their outputs as git keeps them: numbers and tables, no figures, nothing of the run itself.

python scripts/store_outputs.py [NOTEBOOK …]
"""

from __future__ import annotations

import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
FIGURES = {"application/vnd.plotly.v1+json", "application/vnd.cjlib.rows+json"}
"""A figure is what a re-run draws again; as JSON in git it changes thousands of lines and can be read by nobody."""


def main() -> None:
    """Run and store the notebooks named, or all."""
    names = sys.argv[1:] or sorted(path.stem for path in NOTEBOOKS.glob("*.ipynb"))
    for name in names:
        path = NOTEBOOKS / f"{name}.ipynb"
        notebook = nbformat.read(path, as_version=4)
        NotebookClient(notebook, timeout=600, resources={"metadata": {"path": NOTEBOOKS}}).execute()
        store(notebook, path)


def store(notebook: nbformat.NotebookNode, path: Path) -> None:
    """Write the notebook without figures, widget states and times."""
    notebook.metadata.pop("widgets", None)
    notebook.metadata.get("language_info", {}).pop("version", None)
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        cell.metadata.pop("papermill", None)
        if "outputs" in cell:
            cell.outputs = [output for output in cell.outputs if not _is_figure(output)]
    nbformat.write(notebook, path)


def _is_figure(output: nbformat.NotebookNode) -> bool:
    data = output.get("data", {})
    return (
        bool(FIGURES & set(data))
        or any("widget" in kind for kind in data)
        or "cj-static" in str(data)
    )


if __name__ == "__main__":
    main()
