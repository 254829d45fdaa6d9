"""The architecture, enforced by imports: a layer imports only the layers below it, and no modules form a cycle."""

from __future__ import annotations

import ast
import functools
import graphlib
import importlib.util
import itertools
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

import pytest

import claude_magic
from tests.processes import run_python

PACKAGE = Path(claude_magic.__file__).parent
LAYERS = (
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
"""From the lowest to the highest; a layer is a folder or a file of the package."""
MAY_START_THE_SIMULATOR = {"simulator", "notebook", "gateway", "cli"}
INDEPENDENT = [{"notebook", "gateway"}]
"""Layers that do not import each other."""
PUBLIC = {
    "claude_magic": "Box ClaudeError Client Conversation Document Interrupted Picture Reply Table Tool Usage annotate"
    " __version__ export load_ipython_extension register tool unload_ipython_extension",
    "claude_magic.tools": "Tool dataframes python sql tool",
    "claude_magic.simulator": "Faults Plan Recorded Simulator start",
    "claude_magic.gateway": "ClaudeGateway ClaudeService",
}
"""What users may import; every other module is internal."""
HEAVY = (
    "httpx2 httpcore2 pydantic docstring_parser nest_asyncio2 PIL numpy pandas matplotlib anywidget markdown_it nh3"
    " pygments.lexers tornado genai_prices ssl"
)
IMPORTERS = ("importlib.import_module", "import_module", "__import__")


@functools.cache
def files(package: Path = PACKAGE) -> dict[str, Path]:
    """Every module of a package by its dotted name; that of a folder is its ``__init__``."""
    found = {}
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(name: str, modules: Mapping[str, Path]) -> dict[str, int]:
    """The modules of a package that one of its files imports, in whatever form, and the line of each import.

    Counted are imports at the top, in functions and for type checkers, absolute and relative, and what
    ``importlib.import_module`` is given: a literal, or the strings in the tables of a file that gives it
    something else. ``importlib.import_module`` may be given a module and a function, ``"module:function"``.
    """
    package = name if modules[name].name == "__init__.py" else name.rpartition(".")[0]
    tree = ast.parse(modules[name].read_text("utf-8"))
    tables = [value for node in ast.walk(tree) if isinstance(node, ast.Dict) for value in node.values]
    found: dict[str, int] = {}

    def add(line: int, *names: str) -> None:
        for module in [each for each in names if each in modules][:1]:
            found.setdefault(module, line)

    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                add(node.lineno, alias.name)
        elif isinstance(node, ast.ImportFrom):
            base = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
            for alias in node.names:
                add(node.lineno, f"{base}.{alias.name}", base)
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in IMPORTERS:
            literal = isinstance(node.args[0], ast.Constant)
            for text in itertools.chain(*map(ast.walk, node.args[:1] if literal else tables)):
                if isinstance(text, ast.Constant) and isinstance(text.value, str):
                    module = text.value.partition(":")[0].lstrip(".")
                    add(text.lineno, module, f"{package}.{module}")
    return found


@functools.cache
def graph() -> dict[str, dict[str, int]]:
    """Which module of the package imports which, and on which line."""
    modules = files()
    return {name: imports(name, modules) for name in modules}


def edges() -> Iterator[tuple[str, str, str]]:
    """The importing module, the imported one, and where."""
    for name, imported in graph().items():
        for other, line in imported.items():
            yield name, other, f"{files()[name].relative_to(PACKAGE.parent)}:{line} imports {other}"


def layer(name: str) -> str:
    return [*name.split("."), "__init__"][1]


def cycles(graph: Mapping[str, Collection[str]]) -> list[str]:
    """The import cycles, as paths; each is broken where it was found, until none is left."""
    left = {name: {*others} for name, others in graph.items()}
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
    """Whether a file holds only a docstring."""
    tree = ast.parse(path.read_text("utf-8"))
    return len(tree.body) == 1 and ast.get_docstring(tree) is not None


def test_the_layers_are_those_on_disk() -> None:
    found = {path.stem for path in PACKAGE.glob("*.py")} | {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert found == set(LAYERS)


def test_a_layer_imports_only_layers_below_it() -> None:
    wrong = []
    for name, other, where in edges():
        mine, theirs = layer(name), layer(other)
        if mine == theirs:
            continue
        if LAYERS.index(theirs) > LAYERS.index(mine):
            wrong.append(f"up: {where}")
        if {mine, theirs} in INDEPENDENT:
            wrong.append(f"sideways: {where}")
        if mine == "simulator" and other != "claude_magic.messages.limits":
            wrong.append(f"more than limits: {where}")
        if theirs == "simulator" and mine not in MAY_START_THE_SIMULATOR:
            wrong.append(f"starts the simulator: {where}")
    assert not wrong, "\n".join(wrong)


def test_there_are_no_import_cycles() -> None:
    assert cycles(graph()) == []


def test_no_module_imports_the_package_it_is_in() -> None:
    wrong = [
        where for name, other, where in edges() if name.startswith(f"{other}.") and not defines_nothing(files()[other])
    ]
    assert not wrong, "\n".join(wrong)


def test_every_name_stands_for_one_thing() -> None:
    places: dict[str, list[str]] = {}
    for name, path in files().items():
        if path.stem not in ("__init__", "__main__"):
            places.setdefault(f"module {path.stem}", []).append(name)
        for node in ast.parse(path.read_text("utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places.setdefault(f"class {node.name}", []).append(name)
    assert {what: where for what, where in places.items() if len(where) > 1} == {}


@pytest.mark.parametrize("module", PUBLIC)
def test_public_names_are_the_listed_ones_and_documented(module: str) -> None:
    public = importlib.import_module(module)
    assert sorted(public.__all__) == sorted(PUBLIC[module].split())
    for name in public.__all__:
        documentation = getattr(public, name).__doc__ or ""
        assert documentation, f"{module}.{name} has no docstring"
        assert not documentation.startswith(f"{name}("), f"{module}.{name} has only a generated docstring"


def test_loading_imports_nothing_heavy() -> None:
    program = f"""
import sys
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
before = set(sys.modules)
shell.run_line_magic("load_ext", "claude_magic")
print([name for name in {HEAVY.split()!r} if name in set(sys.modules) - before])
"""
    assert run_python(program).splitlines()[-1] == "[]"


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
    assert sorted(imports("p.high.c", files(tmp_path / "p"))) == FORMS[form]


def test_a_cycle_is_shown_as_its_path() -> None:
    assert cycles({"a": ["b"], "b": ["c"], "c": []}) == []
    assert cycles({"a": ["b"], "b": ["c"], "c": ["b"]}) in (["b -> c -> b"], ["c -> b -> c"])
    assert len(cycles({"a": ["b", "c"], "b": ["a"], "c": ["a"]})) == 2
