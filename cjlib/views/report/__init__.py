"""Reports: run notebooks, render each to one HTML file, publish them together, say what moved.

`run` is what `cj run` calls. One file is one purpose:

- `parameters`, `discovery`: which notebooks, which values; checked before anything starts
- `run`: one run from start to exit code; `run_store`: the run on disk, its states, the lock
- `pool`, `worker`, `execution`, `engine`, `preload`: processes, and the kernel inside each
- `page`, `figures`, `clean`, `render`: from an executed notebook to HTML
- `publishing`, `changes`, `alerts`: what readers see, what moved, what should wake someone
- `redaction`: what nobody sees
"""

from cjlib.views.report.parameters import Notebook, assign, from_file, from_options, read_notebook
from cjlib.views.report.preload import without_grammars
from cjlib.views.report.run import Order, run
from cjlib.views.report.run_store import Run, read_runs

__all__ = [
    "Notebook",
    "Order",
    "Run",
    "assign",
    "from_file",
    "from_options",
    "read_notebook",
    "read_runs",
    "run",
]

without_grammars()
