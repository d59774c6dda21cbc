"""The kernel's own start: `python -m cjlib.views.report.kernel -f connection.json`.

It is a plain Python kernel. Three things differ: it runs in the environment that `cj` runs in, whatever a kernelspec of the user says; it does
not load the grammars of `rfc3987_syntax` (1.2 s in every process on an installation with JupyterLab, for checks of addresses in JSON schemas that notebooks have not);
and it does not load a debugger, which takes as long as all else of its start.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path


def without_grammars() -> None:
    """Let jsonschema do without `rfc3987_syntax`; call it before nbformat or jsonschema is imported."""
    sys.modules.setdefault("rfc3987_syntax", None)  # pyright: ignore[reportArgumentType]


def without_debugger() -> None:
    """Let ipykernel do without `debugpy`; a notebook may import it all the same."""
    sys.modules["debugpy"] = None  # pyright: ignore[reportArgumentType]
    try:
        import ipykernel.debugger  # noqa: F401 — it looks for debugpy once, when it is imported
    finally:
        del sys.modules["debugpy"]


def prepare_environment(data: Path | None) -> None:
    """What kernels find in their environment: report mode, one thread each, and the data folder if one was given."""
    os.environ["CJLIB_MODE"] = "report"
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    if data is not None:
        os.environ["CJ_DATA"] = str(data)


def main() -> None:
    """Start the kernel, as ipykernel_launcher does."""
    without_grammars()
    without_debugger()
    # The notebook's folder comes onto the path by IPython itself, as in Lab.
    if sys.path[0] == "":
        del sys.path[0]
    serve()


def serve() -> None:
    """Be a kernel until it is told to end.

    ipykernel closes the channel of outputs when its main loop has ended, and waits for the thread that was told to end, which may still be about
    to say something there: then both wait for ever. So that thread comes first.
    """
    from ipykernel.kernelapp import IPKernelApp

    IPKernelApp.launch_instance()
    control = IPKernelApp.instance().control_thread
    if control is not None:
        control.join(timeout=1)


if __name__ == "__main__":
    main()
