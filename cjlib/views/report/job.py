"""One notebook to run and to show, as it is handed from process to process, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cjlib.views.report.redaction import Mask


@dataclass(frozen=True, kw_only=True)
class Job:
    """What a process needs to know to run and render one notebook."""

    name: str
    source: Path
    folder: Path
    """The run's folder: the executed notebook, the page and the log go here."""
    parameters: Mapping[str, Any]
    mask: Mask
    frame: Mapping[str, Any]
    """What stands around the page: run id, when, versions, where the last good report is."""
    shared_assets: bool = False
    fits_models: bool = False
    """Whether its kernel is one of those that fit models."""

    @property
    def executed(self) -> Path:
        """The notebook with its outputs."""
        return self.folder / f"{self.name}.ipynb"

    @property
    def page(self) -> Path:
        """The report."""
        return self.folder / f"{self.name}.html"

    @property
    def log(self) -> Path:
        """What the kernel said outside the notebook."""
        return self.folder / f"{self.name}.log"


@dataclass
class Outcome:
    """What became of a notebook."""

    error: dict[str, Any] | None = None
    """cell, section, type, message, exit_code; None if it ran through."""
    facts: dict[str, Any] = field(default_factory=dict)
    """What the page said: results with their definitions and metrics."""
    seconds: float = 0.0
    cleaned: dict[str, Any] = field(default_factory=dict)
    """HTML that the notebook has shown, and what of it may stand in a page: made while the notebook ran."""
