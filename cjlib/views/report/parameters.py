"""The parameters of a notebook: read without running anything, checked before anything runs.

A parameters cell is Python, one line a parameter: `window: str = "14D"  # longest time from first step to last, duration`.
It is read with `ast`, so that a mistyped option is answered in a moment and without a kernel. Values given as text are read by the
parameter's own type and by nothing else: `007` stays text for a text, `no` is a truth value only for a truth value.
"""

from __future__ import annotations

import ast
import io
import json
import math
import re
import tokenize
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from cjlib.errors import CjlibError, did_you_mean, shown
from cjlib.sources.log.durations import microseconds
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


def from_file(path: Path, option: str = "--params") -> dict[str, Any]:
    """The parameters of a YAML or JSON file. Scalars stay the text that is written there, so that a type is only ever the parameter's own."""
    import yaml

    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.BaseLoader)
    except OSError as fault:
        raise CjlibError(
            f"{option}: {shown(str(path))} cannot be read ({fault.strerror}). Give a YAML or JSON file of name: value."
        ) from None
    except (yaml.YAMLError, UnicodeDecodeError) as fault:
        where = getattr(fault, "problem_mark", None)
        line = f" (line {where.line + 1})" if where else ""
        raise CjlibError(
            f"{option}: {shown(str(path))} is not YAML or JSON{line}. Give a file of name: value."
        ) from None
    if content in (None, ""):
        return {}
    if not isinstance(content, dict):
        raise CjlibError(
            f"{option}: {shown(str(path))} must hold name: value, one a line. Got {shown(content)}."
        )
    return {str(name): value for name, value in content.items()}


NOTHING = ("", "none", "null", "~")
TRUE, FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")


@dataclass(frozen=True)
class Kind:
    """A type of parameter: its name in words, whether it may be left empty, and what it holds."""

    words: str
    optional: bool = False
    items: Kind | None = None
    choices: tuple[Any, ...] = ()
    either: tuple[Kind, ...] = ()
    also: tuple[str, ...] = ()
    """Texts that stand for something of their own: none, or an empty one."""

    def __str__(self) -> str:
        """How an error and `cj list` name it."""
        words = self.words
        if self.choices:
            words = "one of " + ", ".join(repr(choice) for choice in self.choices)
        elif self.either:
            words = " or ".join(str(kind) for kind in self.either)
        elif self.items:
            words = f"{self.words} of {self.items.plural}"
        more = [text or "empty" for text in self.also] or ["none"] * self.optional
        return f"{words}, or {' or '.join(more)}" if more else words

    @property
    def plural(self) -> str:
        """What a list holds: `whole numbers`."""
        return (
            {"yes or no": "yes or no", "any value": "values"}.get(
                self.words, f"{self.words.removeprefix('a ')}s"
            )
            if self.words
            else str(self)
        )

    def read(self, given: Any) -> Any:
        """The value that was given as text, list or mapping; ValueError names what is allowed."""
        if self.optional and isinstance(given, str) and given.strip().casefold() in NOTHING:
            return None
        if given in self.also:
            return given
        try:
            return self._read(given)
        except (ValueError, TypeError, CjlibError):
            raise ValueError(str(self)) from None

    def _read(self, given: Any) -> Any:
        if self.choices:
            return (
                next(choice for choice in self.choices if str(choice) == given)
                if given in map(str, self.choices)
                else _refuse()
            )
        if self.either:
            return _first(self.either, given)
        return READERS[self.words](given, self.items)


def _refuse() -> Any:
    raise ValueError


def _first(kinds: tuple[Kind, ...], given: Any) -> Any:
    """The first kind that can read it; text, which can read everything, comes last."""
    for kind in sorted(kinds, key=lambda kind: kind.words == "text"):
        try:
            return kind.read(given)
        except ValueError:
            continue
    return _refuse()


def _text(given: Any, _items: Kind | None) -> str:
    return given if isinstance(given, str) else _refuse()


def _path(given: Any, _items: Kind | None) -> str:
    """Relative to where the command was typed, since the notebook runs in a folder of its own; an address stays as it is."""
    return given if "://" in _text(given, None) else str(Path(given).absolute())


def _whole(given: Any, _items: Kind | None) -> int:
    return int(given) if re.fullmatch(r"\s*[-+]?\d+\s*", given, re.ASCII) else _refuse()


def _number(given: Any, _items: Kind | None) -> float:
    value = float(given)
    return value if math.isfinite(value) else _refuse()


def _truth(given: Any, _items: Kind | None) -> bool:
    word = given.strip().casefold() if isinstance(given, str) else ""
    return True if word in TRUE else False if word in FALSE else _refuse()


def _list(given: Any, items: Kind | None) -> list[Any]:
    values = _structure(given, "[") if isinstance(given, str) else given
    if isinstance(values, str):
        values = [part.strip() for part in values.split(",")] if values.strip() else []
    return (
        [(items or ANY).read(value) for value in values] if isinstance(values, list) else _refuse()
    )


def _mapping(given: Any, items: Kind | None) -> dict[str, Any]:
    values = _structure(given, "{") if isinstance(given, str) else given
    return (
        {str(key): (items or ANY).read(value) for key, value in values.items()}
        if isinstance(values, dict)
        else _refuse()
    )


def _structure(text: str, opening: str) -> Any:
    """`[a, "b, c"]` or `{a: b}` with every scalar left as text; other text as it is."""
    import yaml

    if not text.lstrip().startswith(opening):
        return text
    try:
        return yaml.load(text, Loader=yaml.BaseLoader)
    except yaml.YAMLError:
        return _refuse()


def _duration(given: Any, _items: Kind | None) -> str:
    microseconds(given, "")
    return given


def _day(given: Any, _items: Kind | None) -> str:
    datetime.fromisoformat(given)
    return given


DURATION = "a duration such as 14D or 30min"
DAY = "a day such as 2025-03-01"
READERS: dict[str, Callable[[Any, Kind | None], Any]] = {
    "text": _text,
    "a path": _path,
    "a whole number": _whole,
    "a number": _number,
    "yes or no": _truth,
    "a list": _list,
    "a mapping": _mapping,
    DURATION: _duration,
    DAY: _day,
    "any value": lambda given, _items: given,
}
ANY = Kind("any value")
NAMED = {
    "str": Kind("text"),
    "Path": Kind("a path"),
    "int": Kind("a whole number"),
    "float": Kind("a number"),
    "bool": Kind("yes or no"),
    "list": Kind("a list"),
    "List": Kind("a list"),
    "tuple": Kind("a list"),
    "Sequence": Kind("a list"),
    "dict": Kind("a mapping"),
    "Dict": Kind("a mapping"),
    "Mapping": Kind("a mapping"),
}


def kind_of(annotation: ast.expr | None, default: ast.expr) -> Kind:
    """The kind by the annotation, else by the default."""
    kind = _annotated(annotation) if annotation is not None else ANY
    if kind == ANY:
        kind = _of_default(default)
    nothing = isinstance(default, ast.Constant) and default.value is None
    if (
        kind.words == "text"
        and isinstance(default, ast.Constant)
        and str(default.value).startswith(("../", "./"))
    ):
        kind = replace(kind, words="a path")
    return replace(kind, optional=True) if nothing else kind


_CHOICES = re.compile(r"(?:^|: )(\w+(?:, \w+)+ or \w+)(?=[:;]|$)")
_LENGTH = re.compile(r"\bsuch as \d+(D|h|min|s|W)\b")


def narrowed(kind: Kind, default: str, meaning: str) -> Kind:
    """The kind of a text by what its comment says of it: a duration ("such as 14D"), a day ("first day of …"), or one of the words it lists.

    "empty: …" and "none: …" allow an empty text and "none".
    """
    if kind.words != "text":
        return kind
    also = tuple(
        text
        for text, says in (("none", r"\bnone:"), ("", r"\bempty:"))
        if text == default or re.search(says, meaning)
    )
    listing = _CHOICES.search(meaning)
    choices = tuple(re.split(", | or ", listing[1])) if listing else ()
    if choices and default in ("", *choices):
        return Kind("", optional=kind.optional, choices=choices, also=also)
    if _LENGTH.search(meaning) or re.fullmatch(r"\d+(D|h|min|s|W)", default):
        return replace(kind, words=DURATION, also=also)
    if re.match(r"(first|last) day\b|day: ", meaning):
        return replace(kind, words=DAY, also=also)
    return kind


def _annotated(node: ast.expr) -> Kind:
    match node:
        case ast.Constant(value=str() as text):
            return _parsed(text)
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return NAMED.get(name, ANY)
        case ast.BinOp(op=ast.BitOr(), left=left, right=right):
            return _union([left, right])
        case ast.Subscript(value=ast.Name(id=name) | ast.Attribute(attr=name), slice=inner):
            return _generic(name, inner.elts if isinstance(inner, ast.Tuple) else [inner])
    return ANY


def _parsed(text: str) -> Kind:
    try:
        return _annotated(ast.parse(text, mode="eval").body)
    except SyntaxError:
        return ANY


def _generic(name: str, inner: list[ast.expr]) -> Kind:
    if name == "Literal":
        return Kind("", choices=tuple(one.value for one in inner if isinstance(one, ast.Constant)))
    if name == "Optional":
        return replace(_annotated(inner[0]), optional=True)
    if name == "Union":
        return _union(inner)
    # list[str] holds texts; dict[str, float] holds numbers: the last of the brackets says what is held.
    held = [one for one in inner if not (isinstance(one, ast.Constant) and one.value is Ellipsis)]
    return replace(NAMED.get(name, ANY), items=_annotated(held[-1])) if name in NAMED else ANY


def _union(nodes: list[ast.expr]) -> Kind:
    optional = any(isinstance(node, ast.Constant) and node.value is None for node in nodes)
    kinds = [
        _annotated(node)
        for node in nodes
        if not (isinstance(node, ast.Constant) and node.value is None)
    ]
    flat = tuple(one for kind in kinds for one in (kind.either or (kind,)))
    optional = optional or any(kind.optional for kind in kinds)
    return (
        replace(flat[0], optional=optional)
        if len(flat) == 1
        else Kind("", optional=optional, either=tuple(replace(one, optional=False) for one in flat))
    )


def _of_default(node: ast.expr) -> Kind:
    try:
        value = ast.literal_eval(node)
    except ValueError:
        return ANY
    kind = NAMED.get(type(value).__name__, ANY)
    if isinstance(value, (list, tuple)) and value and len({type(one) for one in value}) == 1:
        return replace(kind, items=NAMED.get(type(value[0]).__name__, ANY))
    return kind
