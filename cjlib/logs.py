"""What cjlib says of its work while it works: the standard `logging`, under the name `cjlib`."""

from __future__ import annotations

import logging
import os

VERBOSE = "CJ_VERBOSE"
"""The environment variable by which the processes of a run know that they are to tell."""


def tell_on_stderr() -> None:
    """Let this process, and those it starts, say on stderr what they read, keep and run."""
    os.environ[VERBOSE] = "1"
    told = logging.StreamHandler()
    told.setFormatter(logging.Formatter("%(asctime)s %(name)s: %(message)s"))
    logger = logging.getLogger("cjlib")
    logger.handlers = [told]
    logger.setLevel(logging.INFO)


def tell_if_asked() -> None:
    """The same, where the process that started this one was asked to."""
    if os.environ.get(VERBOSE):
        tell_on_stderr()
