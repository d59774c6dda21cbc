"""Reports: run notebooks, render each to one HTML file, publish them together, say what moved.

`run` is what `cj run` calls. One file is one purpose:

- `parameters`, `kinds`, `finding`: which notebooks, which values; checked before anything starts
- `running`: one run from start to exit code; `runs`: the run on disk, its states, the lock
- `supervise`, `work`, `execution`, `kernel`, `nursery`: processes and kernels
- `page`, `figures`, `clean`, `render`: from an executed notebook to HTML
- `publishing`, `index`, `moved`, `alerts`: what readers see, what changed, what should wake someone
- `secret`: what nobody sees
"""

from cjlib.views.report.kernel import without_grammars
from cjlib.views.report.parameters import Notebook, assign, from_file, from_options, read_notebook
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
