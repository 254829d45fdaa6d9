"""The architecture, held by its imports: rooms know only the rooms below them, and no files form a circle."""

from __future__ import annotations

import ast
import functools
import graphlib
import importlib
import subprocess
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path

import pytest

import claude_magic

PACKAGE = Path(claude_magic.__file__).parent
ROOMS = (
    "messages",
    "simulator",
    "content",
    "tools",
    "engine",
    "conversation",
    "notebook",
    "gateway",
    "cli",
    "__init__",
)
"""From the lowest to the highest; a room is a folder or a file of the package."""
MAY_START_THE_SIMULATOR = {"simulator", "notebook", "gateway", "cli"}
STRANGERS = [{"notebook", "gateway"}]
"""Rooms that do not know each other."""
PUBLIC = {
    "claude_magic": "Box ClaudeError Client Conversation Document Interrupted Picture Reply Table Tool Usage annotate"
    " __version__ export load_ipython_extension register tool unload_ipython_extension",
    "claude_magic.tools": "Tool dataframes python sql tool",
    "claude_magic.simulator": "Faults Plan Recorded Simulator start",
    "claude_magic.gateway": "ClaudeGateway ClaudeService",
}
"""What users may import; every other module is internal."""
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


@functools.cache
def files(package: Path = PACKAGE) -> dict[str, Path]:
    """Every module of a package by its dotted name; that of a folder is its ``__init__``."""
    found = {}
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


class Imports(ast.NodeVisitor):
    """The modules of a package that one of its files imports, in whatever form.

    Counted are imports at the top, in functions and for type checkers, absolute and relative, and what
    ``importlib.import_module`` is given: a literal, or the strings in the tables of a file that gives it
    something else. ``importlib.import_module`` may be given a module and a function, ``"module:function"``.
    """

    def __init__(self, name: str, modules: Mapping[str, Path]) -> None:
        self.modules = modules
        self.package = name if modules[name].name == "__init__.py" else name.rpartition(".")[0]
        self.found: dict[str, int] = {}
        """Names, and the line of the first import."""
        self._tree = ast.parse(modules[name].read_text("utf-8"))
        self.visit(self._tree)

    def _add(self, node: ast.AST, name: str) -> bool:
        if name in self.modules:
            self.found.setdefault(name, getattr(node, "lineno", 0))
        return name in self.modules

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self._add(node, alias.name)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        above = self.package.split(".")
        base = ".".join(above[: len(above) - node.level + 1]) if node.level else ""
        base = ".".join(filter(None, [base, node.module]))
        for alias in node.names:
            if not self._add(node, f"{base}.{alias.name}"):
                self._add(node, base)

    def visit_Call(self, node: ast.Call) -> None:
        self.generic_visit(node)
        if ast.unparse(node.func) not in ("importlib.import_module", "import_module", "__import__"):
            return
        if isinstance(node.args[0], ast.Constant):
            self._resolve(node, str(node.args[0].value))
        else:
            for table in ast.walk(self._tree):
                for value in table.values if isinstance(table, ast.Dict) else ():
                    for text in ast.walk(value):
                        if isinstance(text, ast.Constant) and isinstance(text.value, str):
                            self._resolve(text, text.value)

    def _resolve(self, node: ast.AST, text: str) -> None:
        module = text.partition(":")[0].lstrip(".")
        if not self._add(node, module):
            self._add(node, f"{self.package}.{module}")


@functools.cache
def graph() -> dict[str, dict[str, int]]:
    """Which module of the package imports which, and on which line."""
    modules = files()
    return {name: Imports(name, modules).found for name in modules}


def edges() -> Iterator[tuple[str, str, str]]:
    """Who imports, whom, and where that stands."""
    for name, imported in graph().items():
        for other, line in imported.items():
            yield name, other, f"{files()[name].relative_to(PACKAGE.parent)}:{line} imports {other}"


def room(name: str) -> str:
    return [*name.split("."), "__init__"][1]


def cycles(imports: Mapping[str, Collection[str]]) -> list[str]:
    """The circles among modules, as paths; each is cut open where it was found, until none is left."""
    left = {name: {*others} for name, others in imports.items()}
    found: list[str] = []
    while True:
        try:
            graphlib.TopologicalSorter(left).prepare()
        except graphlib.CycleError as error:
            path: list[str] = error.args[1][::-1]  # graphlib goes from the imported to the importer
            left[path[0]].discard(path[1])
            found.append(" -> ".join(path))
        else:
            return found


def defines_nothing(path: Path) -> bool:
    """Whether a file has no statement besides its docstring and imports from ``__future__``."""
    return all(
        (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
        or (isinstance(node, ast.ImportFrom) and node.module == "__future__")
        for node in ast.parse(path.read_text("utf-8")).body
    )


def listed(problems: Iterable[str]) -> str:
    """Problems one a line, so that pytest shows all of them."""
    return "\n".join(sorted(problems))


def test_the_rooms_are_those_on_disk() -> None:
    found = {path.stem for path in PACKAGE.glob("*.py")} | {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert found == set(ROOMS)


def test_a_room_imports_only_rooms_below_it() -> None:
    wrong = []
    for name, other, where in edges():
        mine, theirs = room(name), room(other)
        if mine == theirs:
            continue
        if ROOMS.index(theirs) > ROOMS.index(mine):
            wrong.append(f"up: {where}")
        if {mine, theirs} in STRANGERS:
            wrong.append(f"sideways: {where}")
        if mine == "simulator" and other != "claude_magic.messages.limits":
            wrong.append(f"more than limits: {where}")
        if theirs == "simulator" and mine not in MAY_START_THE_SIMULATOR:
            wrong.append(f"not for this room: {where}")
    assert listed(wrong) == ""


def test_no_files_import_each_other_in_a_circle() -> None:
    assert listed(cycles(graph())) == ""


def test_no_module_imports_the_package_it_is_in() -> None:
    wrong = [
        where for name, other, where in edges() if name.startswith(f"{other}.") and not defines_nothing(files()[other])
    ]
    assert listed(wrong) == ""


def test_every_name_stands_for_one_thing() -> None:
    places: dict[str, list[str]] = {}
    for name, path in files().items():
        if path.stem not in ("__init__", "__main__"):
            places.setdefault(f"module {path.stem}", []).append(name)
        for node in ast.parse(path.read_text("utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places.setdefault(f"class {node.name}", []).append(name)
    assert listed(f"{what} in {', '.join(where)}" for what, where in places.items() if len(where) > 1) == ""


@pytest.mark.parametrize("module", PUBLIC)
def test_public_names_are_the_listed_ones_and_documented(module: str) -> None:
    public = importlib.import_module(module)
    assert sorted(public.__all__) == sorted(PUBLIC[module].split())
    for name in public.__all__:
        documentation = getattr(public, name).__doc__ or ""
        assert documentation, f"{module}.{name} has no docstring"
        assert not documentation.startswith(f"{name}("), f"{module}.{name} has only what dataclass wrote"


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


FORMS = {
    "import p.low.a": ["p.low.a"],
    "import p.low.a as x": ["p.low.a"],
    "from p.low import a": ["p.low.a"],
    "from p.low import a, name": ["p.low", "p.low.a"],
    "from p.low.a import name": ["p.low.a"],
    "from p import low": ["p.low"],
    "import p": ["p"],
    "from . import b": ["p.high.b"],
    "from .b import name": ["p.high.b"],
    "from .. import low": ["p.low"],
    "from ..low import a": ["p.low.a"],
    "from ..low.a import name": ["p.low.a"],
    "def f():\n    import p": ["p"],
    "def f():\n    from p.low import a": ["p.low.a"],
    "if TYPE_CHECKING:\n    from p.low.a import Name": ["p.low.a"],
    "importlib.import_module('p.low.a')": ["p.low.a"],
    "import_module('.b', __package__)": ["p.high.b"],
    "T = {'x': 'b:f', 'y': ('p.low.a', 1)}\nimportlib.import_module(f'{__package__}.{T[x]}')": ["p.high.b", "p.low.a"],
    "T = {'x': 'b'}": [],
    "import os.path, pq.low": [],
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_import_is_seen(form: str, tmp_path: Path) -> None:
    for name in ("__init__", "low/__init__", "low/a", "high/__init__", "high/b", "high/c"):
        path = tmp_path / "p" / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(form if name == "high/c" else "")
    assert sorted(Imports("p.high.c", files(tmp_path / "p")).found) == FORMS[form]


def test_a_circle_is_shown_as_its_path() -> None:
    assert cycles({"a": ["b"], "b": ["c"], "c": []}) == []
    assert cycles({"a": ["b"], "b": ["c"], "c": ["b"]}) in (["b -> c -> b"], ["c -> b -> c"])
    assert len(cycles({"a": ["b", "c"], "b": ["a"], "c": ["a"]})) == 2
