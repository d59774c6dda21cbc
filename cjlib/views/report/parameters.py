"""The parameters of a notebook: read without running anything, checked before anything runs.

A parameters cell is Python, one line a parameter: `window: str = "14D"  # longest time from first step to last, duration`.
It is read with `ast`, so that a mistyped option is answered in a moment and without a kernel. Values given as text are read by the
parameter's own type and by nothing else: `007` stays text for a text, `no` is a truth value only for a truth value.
"""

from __future__ import annotations

import ast
import io
import json
import tokenize
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cjlib.errors import CjlibError, did_you_mean, shown
from cjlib.views.report.parameter_types import Kind, kind_of, narrowed
from cjlib.views.report.preload import asked

TAG = "parameters"


@dataclass(frozen=True)
class Parameter:
    """One line of a parameters cell."""

    name: str
    kind: Kind
    default: str
    """The default as it is written in the notebook."""
    meaning: str


@dataclass(frozen=True)
class Notebook:
    """A notebook as the command line sees it, before it runs."""

    name: str
    path: Path
    question: str
    cells: int
    parameters: Mapping[str, Parameter]
    needs: Mapping[str, str] = field(default_factory=dict)
    """Keys of the journey file without which it cannot answer, and what each stands for."""
    modules: frozenset[str] = frozenset()
    """The modules of ours that its code asks for."""


def read_notebook(path: Path) -> Notebook:
    """Question and parameters of a notebook; nothing is run."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        cells = content["cells"]
        sources = [("".join(cell["source"]), cell) for cell in cells]
    except (OSError, ValueError, KeyError, TypeError) as fault:
        raise CjlibError(
            f"notebook: {shown(str(path))} is not a notebook that can be read ({type(fault).__name__}). Give a Jupyter .ipynb file."
        ) from None
    cell = next(
        (text for text, cell in sources if TAG in cell.get("metadata", {}).get("tags", [])), ""
    )
    return Notebook(
        name=path.stem,
        path=path,
        question=_question(sources) or path.stem,
        cells=len(sources),
        parameters=read_parameters(cell, path.stem),
        needs=_needs(content, path.stem),
        modules=asked("\n".join(text for text, cell in sources if cell.get("cell_type") == "code")),
    )


def _needs(content: Mapping[str, Any], notebook: str) -> dict[str, str]:
    ours = content.get("metadata", {}).get("cjlib", {})
    needs = ours.get("needs", {}) if isinstance(ours, dict) else None
    if not isinstance(needs, dict) or not all(isinstance(words, str) for words in needs.values()):
        raise CjlibError(
            f'{notebook}: its metadata "cjlib" must be {{"needs": {{key of the journey file: what it stands for}}}}, such as '
            f'{{"needs": {{"sources.feedback": "feedback"}}}}. Got {shown(ours)}.'
        )
    return needs


def _question(sources: Sequence[tuple[str, Any]]) -> str:
    lines = (
        line
        for text, cell in sources
        if cell.get("cell_type") == "markdown"
        for line in text.splitlines()
    )
    return next((line[2:].strip() for line in lines if line.startswith("# ")), "")


def read_parameters(source: str, notebook: str) -> dict[str, Parameter]:
    """The parameters of a cell: `name: type = default  # meaning`, in order; other statements are not parameters."""
    try:
        statements = ast.parse(source).body
    except SyntaxError as fault:
        raise CjlibError(
            f"{notebook}: its parameters cell is not Python (line {fault.lineno}: {fault.msg}). Fix the cell tagged 'parameters'."
        ) from None
    comments = _comments(source)
    found = {}
    for statement in statements:
        match statement:
            case ast.AnnAssign(
                target=ast.Name(id=name), annotation=annotation, value=ast.expr() as value
            ):
                pass
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                annotation = None
            case _:
                continue
        meaning = comments.get(statement.end_lineno or 0, "")
        kind = kind_of(annotation, value)
        if isinstance(value, ast.Constant) and isinstance(value.value, str):
            kind = narrowed(kind, value.value, meaning)
        found[name] = Parameter(name, kind, ast.unparse(value), meaning)
    return found


def _comments(source: str) -> dict[int, str]:
    """The comment on each line; a `#` within a text is none."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return {
        token.start[0]: token.string.lstrip("# ").strip()
        for token in tokens
        if token.type == tokenize.COMMENT
    }


def assign(given: Mapping[str, Any], notebooks: Iterable[Notebook]) -> dict[str, dict[str, Any]]:
    """The values for each notebook: a parameter goes to the notebooks that have it, and at least one must.

    Raises
    ------
    CjlibError
        Every unknown name and every value of a wrong type, in one message.
    """
    several = list(notebooks)
    faults = [
        _unknown(name, several)
        for name in given
        if not any(name in notebook.parameters for notebook in several)
    ]
    values: dict[str, dict[str, Any]] = {notebook.name: {} for notebook in several}
    for notebook in several:
        for name in given.keys() & notebook.parameters.keys():
            try:
                values[notebook.name][name] = notebook.parameters[name].kind.read(given[name])
            except ValueError as fault:
                faults.append(f"{name}: {notebook.name} needs {fault}. Got {shown(given[name])}.")
    if faults:
        raise CjlibError("\n".join(dict.fromkeys(faults)))
    return {
        name: {key: chosen[key] for key in given if key in chosen}
        for name, chosen in values.items()
    }


def _unknown(name: str, notebooks: Sequence[Notebook]) -> str:
    every = dict.fromkeys(key for notebook in notebooks for key in notebook.parameters)
    have = "; ".join(
        f"{notebook.name} has: {', '.join(notebook.parameters) or 'none'}" for notebook in notebooks
    )
    return f"unknown parameter {shown(name)}.{did_you_mean(name, every)} {have}. `cj list` says what each means."


def for_readers(value: Any) -> str:
    """A value as a report shows it; of a path only its last part, since where files lie is not for everyone."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return Path(text).name if Path(text).is_absolute() else text


def from_options(options: Iterable[str]) -> dict[str, str]:
    """`["window=14D"]` as a mapping; the last of one name wins, as options do."""
    given = {}
    for option in options:
        name, equals, value = option.partition("=")
        if not equals or not name.strip().isidentifier():
            raise CjlibError(f"-P: must be name=value, such as -P window=14D. Got {shown(option)}.")
        given[name.strip()] = value
    return given


def from_file(path: Path) -> dict[str, Any]:
    """The parameters of a YAML or JSON file. Scalars stay the text that is written there, so that a type is only ever the parameter's own."""
    import yaml

    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.BaseLoader)
    except OSError as fault:
        raise CjlibError(
            f"--params: {shown(str(path))} cannot be read ({fault.strerror}). Give a YAML or JSON file of name: value."
        ) from None
    except (yaml.YAMLError, UnicodeDecodeError) as fault:
        where = getattr(fault, "problem_mark", None)
        line = f" (line {where.line + 1})" if where else ""
        raise CjlibError(
            f"--params: {shown(str(path))} is not YAML or JSON{line}. Give a file of name: value."
        ) from None
    if content in (None, ""):
        return {}
    if not isinstance(content, dict):
        raise CjlibError(
            f"--params: {shown(str(path))} must hold name: value, one a line. Got {shown(content)}."
        )
    return {str(name): value for name, value in content.items()}
