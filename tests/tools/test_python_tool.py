"""``tools.python``: code runs among the user's variables and has no other effects."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.core.pylabtools import select_figure_formats
from IPython.utils.capture import capture_output
from traitlets.config import Config

from claude_magic.content.convert import to_parts
from claude_magic.simulator import Simulator
from claude_magic.tools import python
from tests.notebook.kernels import running_kernel
from tests.processes import run_python


@pytest.fixture
def shell() -> Iterator[InteractiveShell]:
    InteractiveShell.clear_instance()
    config = Config()
    config.HistoryManager.enabled = False
    config.InteractiveShell.colors = "nocolor"
    yield InteractiveShell.instance(config=config)
    InteractiveShell.clear_instance()


@pytest.fixture
def inline(shell: InteractiveShell) -> Iterator[InteractiveShell]:
    """A shell that shows figures as a notebook does."""
    select_figure_formats(shell, {"png"})
    plt.switch_backend("module://matplotlib_inline.backend_inline")
    yield shell
    plt.close("all")
    plt.switch_backend("agg")


def test_what_claude_is_told() -> None:
    assert (python.name, python.confirm, list(python.input_schema["properties"])) == ("python", True, ["code"])
    assert python.input_schema["required"] == ["code"]
    assert "stays there" in python.description


@pytest.mark.parametrize(
    ("code", "value"),
    [
        ("1 + 1", 2),
        ("x = 3\nx * 2", 6),
        ("x = 3", None),
        ("", None),
        ("# words", None),
        ("None", None),
        ("[]", []),
        ("def f(n: int) -> int:\n    return n + 1\nf(1)", 2),
        ("if True:\n    5", None),
        ("    y = 1\n    y", 1),  # indented, as IPython takes it
        ("import math; math.floor(2.5)", 2),
        ("f.__annotations__ if 'f' in dir() else (lambda a: a)(7)", 7),
    ],
)
def test_the_last_expression_is_the_value(shell: InteractiveShell, code: str, value: object) -> None:
    assert python(code) == value


def test_our_own_future_imports_do_not_reach_the_code(shell: InteractiveShell) -> None:
    assert python("def f(n: int): ...\nf.__annotations__['n']") is int


def test_it_shares_the_users_variables(shell: InteractiveShell) -> None:
    shell.run_cell("numbers = [1, 2, 3]")
    assert python("total = sum(numbers)\ntotal") == 6
    assert shell.user_ns["total"] == 6
    assert shell.run_cell("total + 1").result == 7
    assert python("__name__") == "__main__"


def test_nothing_is_left_in_history_and_counts(shell: InteractiveShell) -> None:
    shell.run_cell("1 + 1", store_history=True)
    before = (shell.execution_count, dict(shell.user_ns["Out"]), list(shell.user_ns["In"]), shell.user_ns["_"])
    with capture_output() as shown:
        assert python("5 + 5") == 10
    after = (shell.execution_count, dict(shell.user_ns["Out"]), list(shell.user_ns["In"]), shell.user_ns["_"])
    assert after == before
    assert (shown.stdout, shown.outputs) == ("", [])


def test_within_a_cell_too(shell: InteractiveShell) -> None:
    shell.user_ns["python"] = python
    with capture_output():
        result = shell.run_cell("a = 1\npython('a = a + 1')\na", store_history=True)
    assert result.result == 2
    assert shell.execution_count == 2


def test_magics_run_as_in_a_cell(shell: InteractiveShell) -> None:
    shell.user_ns["x"] = 1
    python("%reset_selective -f ^x$")
    assert "x" not in shell.user_ns


def test_printing_is_left_to_the_caller(shell: InteractiveShell, capsys: pytest.CaptureFixture[str]) -> None:
    assert python("print('words')") is None
    assert capsys.readouterr().out == "words\n"


def test_errors_say_where(shell: InteractiveShell) -> None:
    with pytest.raises(ZeroDivisionError) as failed:
        python("def f():\n    return 1 / 0\n\nf()")
    assert failed.value.__notes__ == ["In line 2 of the code: return 1 / 0"]
    with pytest.raises(ZeroDivisionError) as failed:
        python("import fractions\nfractions.Fraction(1, 0)")
    assert failed.value.__notes__ == ["In line 2 of the code: fractions.Fraction(1, 0)"]
    with pytest.raises(SyntaxError, match="line 2"):
        python("x = 1\nx = = 2")
    with pytest.raises(SyntaxError, match="await"):
        python("import asyncio\nawait asyncio.sleep(0)")


def test_effects_before_an_error_stay(shell: InteractiveShell) -> None:
    with pytest.raises(NameError):
        python("kept = 1\nmissing")
    assert shell.user_ns["kept"] == 1


def test_the_source_can_be_found(shell: InteractiveShell) -> None:
    python("def area(w):\n    return w * w\n")
    python("def other(w):\n    return w\n")
    assert inspect.getsource(shell.user_ns["area"]) == "def area(w):\n    return w * w\n"
    with capture_output() as shown:
        shell.run_cell("area('a')")
    assert "return w * w" in shown.stdout


@pytest.mark.kernel
def test_in_a_kernel(simulator: Simulator, tmp_path: Path) -> None:
    with running_kernel(tmp_path, simulator.url) as kernel:
        kernel.run("%matplotlib inline\nfrom claude_magic.tools import python")
        kernel.run("from claude_magic.content.convert import to_parts")
        show = "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()"
        shown = kernel.run(f"parts = to_parts(python({show!r}), 'python')")
        assert ["image/png" in output["data"] for output in shown.screen.outputs] == [True]
        assert kernel.value("[part.pictures for part in parts]") == [1]
        kept = kernel.run(f"figure = python({show.removesuffix('plt.show()') + 'kept = 1'!r})")
        assert ["image/png" in output["data"] for output in kept.screen.outputs] == [True]  # at the end of the cell
        assert kernel.value("[type(figure).__name__, kept]") == ["Figure", 1]
        failed = kernel.run("python('def f():\\n    return 1 / 0\\nf()')")
        assert "return 1 / 0" in "".join(failed.screen.outputs[-1]["traceback"])


PLOT = "import matplotlib.pyplot as plt\nfig, ax = plt.subplots()\nax.plot([1, 2, 1])\n"


def pictures(value: Any) -> int:
    return sum(part.pictures for part in to_parts(value, "python"))


def test_a_figure_left_open_is_the_result_if_there_is_no_other(inline: InteractiveShell) -> None:
    value = python(PLOT + "other, _ = plt.subplots()\nempty = plt.figure()")
    assert value == [inline.user_ns["fig"], inline.user_ns["other"]]
    assert pictures(value) == 2
    assert pictures(python(PLOT + "ax.set_title('x'); None")) == 1
    assert python(PLOT + "len(ax.lines)") == 1
    assert python("x = 1") is None  # figures that were open before are no result


def test_displayed_output_is_seen_by_claude_and_the_user(inline: InteractiveShell) -> None:
    with capture_output() as shown:
        value = python(PLOT + "plt.show()")
    assert pictures(value) == 1
    assert ["image/png" in output.data for output in shown.outputs] == [True]
    with capture_output() as shown:
        value = python("from IPython.display import Markdown, display\ndisplay(Markdown('*a*'), [1, 2])\n3")
        assert "publish" not in vars(inline.display_pub)
    assert value == ["*a*", "[1, 2]", 3]
    assert len(shown.outputs) == 2


def test_displays_and_tables_together(shell: InteractiveShell) -> None:
    shell.user_ns["df"] = pd.DataFrame({"a": [1]})
    with capture_output():
        value = python("display('words')\ndf")
    assert value[0] == "'words'"
    assert value[1] is shell.user_ns["df"]


def test_output_of_other_threads_is_not_attributed_to_the_code(shell: InteractiveShell) -> None:
    def elsewhere() -> None:
        shell.display_pub.publish({"text/plain": "not mine"})

    def run(function: Callable[[], None]) -> None:
        thread = threading.Thread(target=function)
        thread.start()
        thread.join()

    shell.user_ns |= {"run": run, "elsewhere": elsewhere}
    with capture_output() as shown:
        assert python("run(elsewhere)") is None
    assert [output.data["text/plain"] for output in shown.outputs] == ["not mine"]


def test_without_ipython_it_runs_in_main() -> None:
    program = """
import sys
from claude_magic.tools import python
number = 20
print(python("more = number + 1\\nmore * 2"), more)
try:
    python("x = 1\\n1 / 0")
except ZeroDivisionError as error:
    print(error.__notes__)
print(python("def f(): ..."), "IPython" in sys.modules, "matplotlib" in sys.modules)
"""
    assert run_python(program).splitlines() == ["42 21", "['In line 2 of the code: 1 / 0']", "None False False"]
