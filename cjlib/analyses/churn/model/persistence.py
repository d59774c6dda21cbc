"""A model saved as plain JSON: numbers and names with a version, nothing that runs when it is read.

Everything a forecast needs is written: knots and weights of the curves, the nodes of every tree, the calibration, the training distribution for the drift
check, and what reasons need. A read model gives the same probabilities to the last digit. What is not saved: the log, and forecasts of single customers.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cjlib.analyses.churn.model.base_models import CURVES, Additive, Bag, Scale, Trees
from cjlib.analyses.churn.model.encoding import Columns, columns_from_plain, reference_from_plain
from cjlib.analyses.churn.model.explanations import Fidelity, Fitted, Reasoning, Themes
from cjlib.analyses.churn.model.model_selection import Base, Calibrator, Forecaster, Level
from cjlib.errors import CjlibError, DataError, shown

FORMAT = "cjlib churn model"
VERSION = 2
HEAD = (
    "headline",
    "definition",
    "metrics",
    "horizon_us",
    "id_column",
    "beats_baselines",
    "verdict",
)
TABLES = ("table", "calibration", "lift", "effects", "leaks", "drift")
ARRAYS = ("roots", "feature", "threshold", "missing_left", "left", "right", "value")


def save(
    path: Path, head: Mapping[str, Any], tables: Mapping[str, pd.DataFrame], fitted: Fitted
) -> Path:
    """See `ChurnModel.save`; `head` has what `HEAD` names, `tables` what `TABLES` names."""
    text = json.dumps(
        {**head, **_plain(tables, fitted)},
        ensure_ascii=False,
        sort_keys=True,
        separators=(",", ":"),
        default=_native,
    )
    half = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        half.write_text(text + "\n", encoding="utf-8")
        half.replace(path)
    except OSError as fault:
        half.unlink(missing_ok=True)
        raise CjlibError(
            f"path: {shown(str(path))} cannot be written ({fault.strerror}). Give the name of a file in a folder that is there."
        ) from None
    return path


def load(source: Path) -> tuple[dict[str, Any], Fitted]:
    """What `HEAD` and `TABLES` name, and what makes the forecasts, of a file that `save` wrote."""
    try:
        kept = json.loads(source.read_text(encoding="utf-8"))
    except OSError as fault:
        raise DataError(
            f"path: {shown(str(source))} cannot be read ({fault.strerror}). Give a file that model.save wrote."
        ) from None
    except ValueError:
        raise DataError(
            f"path: {shown(str(source))} is not a saved model: it is not JSON. Give a file that model.save wrote."
        ) from None
    if not isinstance(kept, dict) or kept.get("format") != FORMAT:
        raise DataError(
            f"path: {shown(str(source))} is not a saved churn model. Give a file that model.save wrote."
        )
    if kept.get("version") != VERSION:
        raise DataError(
            f"path: {shown(str(source))} is of version {shown(kept.get('version'))}; this cjlib reads version {VERSION}. Fit the model again."
        )
    try:
        head = {name: kept[name] for name in HEAD}
        tables = {name: _frame(kept["tables"][name]) for name in TABLES}
        return head | tables, _fitted(kept)
    except (KeyError, TypeError, ValueError, IndexError) as fault:
        raise DataError(
            f"path: {shown(str(source))} is damaged ({type(fault).__name__}: {shown(str(fault))}). Fit the model again."
        ) from None


def _plain(tables: Mapping[str, pd.DataFrame], fitted: Fitted) -> dict[str, Any]:
    forecaster, reasoning = fitted.forecaster, fitted.reasoning
    return {
        "format": FORMAT,
        "version": VERSION,
        "tables": {name: _frame_as_plain(table) for name, table in tables.items()},
        "columns": asdict(forecaster.columns),
        "blend": forecaster.blend,
        "calibrator": asdict(forecaster.calibrator),
        "level": asdict(forecaster.level),
        "additive": _additive_as_plain(forecaster.additive),
        "bags": {
            name: [_trees_as_plain(model) for model in base.models]
            for name, base in forecaster.bases.items()
            if isinstance(base, Bag)
        },
        "reference": asdict(fitted.reference),
        "reasoning": {
            "themes": reasoning.themes.members,
            "centre": reasoning.centre,
            "typical": reasoning.typical,
            "fidelity": asdict(reasoning.fidelity),
            "spread": reasoning.spread,
        },
    }


def _fitted(kept: Mapping[str, Any]) -> Fitted:
    columns = columns_from_plain(kept["columns"])
    additive = _additive(columns, kept["additive"])
    bases: dict[str, Base] = {
        name: Bag(tuple(_trees(one) for one in bag)) for name, bag in kept["bags"].items()
    }
    if "lr" in kept["blend"].split("+"):
        bases["lr"] = additive
    calibrator = Calibrator(
        kept["calibrator"]["kind"], tuple(kept["calibrator"]["x"]), tuple(kept["calibrator"]["y"])
    )
    reasoning = kept["reasoning"]
    return Fitted(
        Forecaster(columns, kept["blend"], bases, additive, calibrator, Level(**kept["level"])),
        reference_from_plain(kept["reference"]),
        Reasoning(
            Themes(tuple(tuple(members) for members in reasoning["themes"])),
            tuple(reasoning["centre"]),
            tuple(reasoning["typical"]),
            Fidelity(**reasoning["fidelity"]),
            tuple(reasoning["spread"]),
        ),
    )


def _additive_as_plain(model: Additive) -> dict[str, Any]:
    return {
        "scales": [asdict(scale) for scale in model.scales],
        "curves": model.curves.tolist(),
        "missing": model.missing.tolist(),
        "steps": model.steps,
        "intercept": model.intercept,
    }


def _additive(columns: Columns, kept: Mapping[str, Any]) -> Additive:
    scales = tuple(Scale(tuple(one["grid"]), one["low"], one["high"]) for one in kept["scales"])
    curves = np.array(kept["curves"], dtype=float).reshape(len(scales), CURVES)
    return Additive(
        columns,
        scales,
        curves,
        np.array(kept["missing"], dtype=float),
        tuple(tuple(one) for one in kept["steps"]),
        kept["intercept"],
    )


def _trees_as_plain(trees: Trees) -> dict[str, Any]:
    subsets = {
        str(node): [sorted(left), sorted(known)] for node, (left, known) in trees.subsets.items()
    }
    return {"start": trees.start, "subsets": subsets} | {
        name: getattr(trees, name).tolist() for name in ARRAYS
    }


def _trees(kept: Mapping[str, Any]) -> Trees:
    kinds = {"threshold": float, "value": float, "missing_left": bool}
    arrays = {name: np.array(kept[name], dtype=kinds.get(name, np.int64)) for name in ARRAYS}
    subsets = {
        int(node): (frozenset(left), frozenset(known))
        for node, (left, known) in kept["subsets"].items()
    }
    return Trees(start=kept["start"], subsets=subsets, **arrays)


def _frame_as_plain(frame: pd.DataFrame) -> Any:
    return json.loads(
        frame.to_json(orient="table", index=False, double_precision=15, date_unit="us")
    )


def _frame(kept: Any) -> pd.DataFrame:
    return pd.read_json(io.StringIO(json.dumps(kept)), orient="table", precise_float=True)


def _native(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} cannot be saved")
