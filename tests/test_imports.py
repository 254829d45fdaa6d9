"""Imports point down, and loading the extension imports nothing heavy."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import claude_magic

PACKAGE = Path(claude_magic.__file__).parent
MAY_IMPORT = {
    "messages": set(),
    "content": {"messages"},
    "tools": {"content", "messages"},
    "conversation": {"tools", "content", "messages"},
    "simulator": {"messages"},
    "replay": {"messages"},
    "notebook": {"conversation", "tools", "content", "messages", "simulator", "replay"},
    "gateway": {"conversation", "tools", "content", "messages", "simulator", "replay"},
    "cli": {"notebook", "gateway", "conversation", "tools", "content", "messages", "simulator", "replay"},
    "__init__": {"notebook", "conversation", "tools", "content", "messages"},
}
HEAVY = (
    "httpx2",
    "httpcore2",
    "pydantic",
    "docstring_parser",
    "nest_asyncio2",
    "PIL",
    "numpy",
    "pandas",
    "matplotlib",
    "anywidget",
    "markdown_it",
    "nh3",
    "pygments.lexers",
    "tornado",
    "genai_prices",
    "ssl",
)


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_rooms(path: Path) -> set[str]:
    package = ("claude_magic", *path.relative_to(PACKAGE).parent.parts)
    rooms = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            module = ".".join(filter(None, [base, node.module]))
            names = [f"{module}.{alias.name}" for alias in node.names] if module == "claude_magic" else [module]
        rooms |= {name.split(".")[1] for name in names if name.startswith("claude_magic.")}
    return rooms - {room(path)}


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_down(path: Path) -> None:
    assert imported_rooms(path) <= MAY_IMPORT[room(path)]


def test_loading_imports_nothing_heavy() -> None:
    program = f"""
import sys
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
before = set(sys.modules)
shell.run_line_magic("load_ext", "claude_magic")
print([name for name in {HEAVY!r} if name in set(sys.modules) - before])
"""
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.splitlines()[-1] == "[]"


def test_every_public_name_is_there() -> None:
    for name in claude_magic.__all__:
        assert getattr(claude_magic, name) is not None
