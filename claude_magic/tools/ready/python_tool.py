"""``tools.python``: lets Claude run code where the notebook's cells run."""

from __future__ import annotations

import ast
import base64
import contextlib
import itertools
import linecache
import sys
import threading
import traceback
from collections.abc import Iterator
from types import CodeType
from typing import Any

from claude_magic.messages.shell import running_shell
from claude_magic.tools.definition import tool

_numbers = itertools.count(1)


@tool(confirm=True)
def python(code: str) -> Any:
    """Run Python code among the variables of the user's notebook; what you define stays there.

    As in a cell, you get what the code prints and displays, and the value of its last line if that is an
    expression. Without such a value, you also get the matplotlib figures that it leaves open.

    Parameters
    ----------
    code : str
        As in a notebook cell, but without ``await`` outside functions.
    """
    shell = running_shell()
    name = f"<claude code {next(_numbers)}>"
    body, last = _compiled(code if shell is None else shell.transform_cell(code), name)
    scope = sys.modules["__main__"].__dict__
    namespaces = (scope, scope) if shell is None else (shell.user_global_ns, shell.user_ns)
    before = _open_figures()
    with _displayed(shell) as shown, _error_lines(name):
        exec(body, *namespaces)  # noqa: S102 - this is its purpose, and the user is asked first
        value = None if last is None else eval(last, *namespaces)  # noqa: S307
    results = [*shown, *(_figures(_open_figures() - before) if value is None else [value])]
    return results[0] if len(results) == 1 else results or None


def _compiled(code: str, name: str) -> tuple[CodeType, CodeType | None]:
    """The code up to a final expression, and that expression. Tracebacks and ``inspect.getsource`` find the source."""
    # Not with run_cell, which would write to the history and count as a cell.
    linecache.cache[name] = (len(code), None, code.splitlines(keepends=True), name)
    tree = ast.parse(code, name)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    body = compile(tree, name, "exec", dont_inherit=True)
    if not isinstance(last, ast.Expr):
        return body, None
    return body, compile(ast.Expression(last.value), name, "eval", dont_inherit=True)


@contextlib.contextmanager
def _error_lines(name: str) -> Iterator[None]:
    """Add the line of the code to each error that is raised inside."""
    try:
        yield
    except Exception as error:
        lines = [line for frame, line in traceback.walk_tb(error.__traceback__) if frame.f_code.co_filename == name]
        if lines:
            error.add_note(f"In line {lines[-1]} of the code: {linecache.getline(name, lines[-1]).strip()}")
        raise


def _figures(numbers: set[int]) -> list[object]:
    """The figures with these numbers that are not empty."""
    figures = [sys.modules["matplotlib.pyplot"].figure(number) for number in sorted(numbers)]
    return [figure for figure in figures if figure.axes]


def _open_figures() -> set[int]:
    """The numbers of the open matplotlib figures."""
    pyplot = sys.modules.get("matplotlib.pyplot")
    return set() if pyplot is None else set(pyplot.get_fignums())


@contextlib.contextmanager
def _displayed(shell: Any) -> Iterator[list[object]]:
    """Collect what this thread displays inside; the user still sees it."""
    shown: list[object] = []
    if shell is None:
        yield shown
        return
    thread, publisher = threading.current_thread(), shell.display_pub
    publish = publisher.publish

    def record(data: dict[str, Any], *args: object, **kwargs: object) -> None:
        if threading.current_thread() is thread and not kwargs.get("update"):
            shown.extend(_from_mime_bundle(data))
        publish(data, *args, **kwargs)

    publisher.publish = record
    try:
        yield shown
    finally:
        del publisher.publish


def _from_mime_bundle(data: dict[str, Any]) -> list[object]:
    """The image in a MIME bundle, or else its text."""
    for mime in ("image/png", "image/jpeg"):
        if mime in data:
            return [data[mime] if isinstance(data[mime], bytes) else base64.b64decode(data[mime])]
    return [data[mime] for mime in ("text/markdown", "text/plain") if mime in data][:1]
