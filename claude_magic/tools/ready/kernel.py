"""``tools.python``: Claude runs code where the notebook's cells run."""

from __future__ import annotations

import ast
import base64
import contextlib
import itertools
import linecache
import sys
import threading
from collections.abc import Iterator
from types import CodeType
from typing import Any

from claude_magic.tools.definition import tool

_numbers = itertools.count(1)


@tool(confirm=True)
def python(code: str) -> Any:
    """Run Python in the user's notebook, where its variables live; what you define stays there.

    You get what the code prints and displays, and the value of its last line if that is an expression, as in
    a cell; without such a value also the figures of matplotlib that it leaves open.

    Parameters
    ----------
    code : str
        As in a cell of a notebook, but without ``await`` outside a function.
    """
    shell = _shell()
    name = f"<claude code {next(_numbers)}>"
    body, last = _compiled(code if shell is None else shell.transform_cell(code), name)
    scope = sys.modules["__main__"].__dict__
    namespaces = (scope, scope) if shell is None else (shell.user_global_ns, shell.user_ns)
    before = _open_figures()
    with _displayed(shell) as shown, _placed(name):
        exec(body, *namespaces)  # noqa: S102 - that is what it is for, and the user is asked first
        value = None if last is None else eval(last, *namespaces)  # noqa: S307
    results = [*shown, *(_figures(_open_figures() - before) if value is None else [value])]
    return results[0] if len(results) == 1 else results or None


def _shell() -> Any:
    """IPython's shell, where there is one."""
    ipython = sys.modules.get("IPython")
    return None if ipython is None else ipython.get_ipython()


def _compiled(code: str, name: str) -> tuple[CodeType, CodeType | None]:
    """Everything but a last expression, and that. Tracebacks and ``inspect.getsource`` find the source."""
    # Not by run_cell: that would write into the history, and count as a cell.
    linecache.cache[name] = (len(code), None, code.splitlines(keepends=True), name)
    tree = ast.parse(code, name)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    body = compile(tree, name, "exec", dont_inherit=True)
    if not isinstance(last, ast.Expr):
        return body, None
    return body, compile(ast.Expression(last.value), name, "eval", dont_inherit=True)


@contextlib.contextmanager
def _placed(name: str) -> Iterator[None]:
    """Errors say in which line of the code they were raised."""
    try:
        yield
    except Exception as error:
        tb, line = error.__traceback__, 0
        while tb is not None:
            line = tb.tb_lineno if tb.tb_frame.f_code.co_filename == name else line
            tb = tb.tb_next
        if line:
            error.add_note(f"In line {line} of the code: {linecache.getline(name, line).strip()}")
        raise


def _figures(numbers: set[int]) -> list[Any]:
    """Those of which there is anything to see."""
    figures = [sys.modules["matplotlib.pyplot"].figure(number) for number in sorted(numbers)]
    return [figure for figure in figures if figure.axes]


def _open_figures() -> set[int]:
    """The numbers of matplotlib's figures."""
    pyplot = sys.modules.get("matplotlib.pyplot")
    return set() if pyplot is None else set(pyplot.get_fignums())


@contextlib.contextmanager
def _displayed(shell: Any) -> Iterator[list[Any]]:
    """What this thread displays meanwhile. The user sees it all the same."""
    shown: list[Any] = []
    if shell is None:
        yield shown
        return
    thread, publisher = threading.current_thread(), shell.display_pub
    publish = publisher.publish

    def record(data: dict[str, Any], *args: Any, **kwargs: Any) -> None:
        if threading.current_thread() is thread and not kwargs.get("update"):
            shown.extend(_of_bundle(data))
        publish(data, *args, **kwargs)

    publisher.publish = record
    try:
        yield shown
    finally:
        del publisher.publish


def _of_bundle(data: dict[str, Any]) -> list[Any]:
    """What is displayed as a picture, or else as text."""
    for mime in ("image/png", "image/jpeg"):
        if mime in data:
            return [data[mime] if isinstance(data[mime], bytes) else base64.b64decode(data[mime])]
    return [data[mime] for mime in ("text/markdown", "text/plain") if mime in data][:1]
