"""Write cjlib/__init__.pyi, what editors and pyright see of the package: `python scripts/stub.py` after a change of the table of names."""

from __future__ import annotations

from pathlib import Path

from cjlib import MODULE_OF

STUB = Path(__file__).parents[1] / "cjlib" / "__init__.pyi"


def text() -> str:
    """The stub: each name imported from its home, which makes it public."""
    homes = sorted((module, name) for name, module in MODULE_OF.items())
    lines = [f"from {module} import {name} as {name}" for module, name in homes]
    return "\n".join(
        [
            "# Written by scripts/stub.py from the table in __init__.py.",
            *lines,
            "",
            "MODULE_OF: dict[str, str]",
            "__version__: str",
            "",
        ]
    )


if __name__ == "__main__":
    STUB.write_text(text(), encoding="utf-8")
