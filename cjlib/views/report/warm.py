"""Imported by the process from which the others are forked: what the first notebook and the first page would load and build, they find built."""

from cjlib.views.report.preload import without_debugger, without_grammars

without_grammars()
without_debugger()

import nbformat  # noqa: E402 — after what it would otherwise load

from cjlib.views.plots import theme  # noqa: E402
from cjlib.views.report import execution, page, render  # noqa: E402, F401

nbformat.validate(nbformat.v4.new_notebook())
theme.warm_up()
render.warm_up()
