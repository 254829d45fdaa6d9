"""What ran before is sent when the question names it, and only then."""

from __future__ import annotations

from pathlib import Path

import pytest

from claude_magic.simulator import Simulator
from tests.conversation.wire import body, questions
from tests.notebook.conftest import Cells


def fail_in_a_function(cells: Cells) -> None:
    cells("def f(x):\n    return 1 / x")
    with pytest.raises(ZeroDivisionError):
        cells("f(0)")


def test_an_error_is_sent_with_the_source_of_its_cells(cells: Cells, simulator: Simulator) -> None:
    fail_in_a_function(cells)
    shown = cells("%claude -e")
    assert shown.stdout.startswith("sent: the last error (ZeroDivisionError)\n")
    sent = questions(simulator)[-1]
    assert "-->    2     return 1 / x" in sent
    assert "-->    1 f(0)" in sent
    assert "ZeroDivisionError: division by zero" in sent
    assert sent.endswith("What went wrong here, and how do I fix it?")
    assert "IPython" not in sent


def test_an_error_has_its_causes_and_hides_the_home_folder(
    cells: Cells, simulator: Simulator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "mine.py").write_text("def deep():\n    raise KeyError('inner')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ValueError, match="outer"):
        cells("import mine\ntry:\n    mine.deep()\nexcept KeyError as e:\n    raise ValueError('outer') from e")
    cells("%%claude\nwhy {{ error }}?")
    sent = questions(simulator)[-1]
    assert "~/mine.py:2 in deep: raise KeyError('inner')" in sent
    assert str(tmp_path) not in sent
    assert sent.index("outer") < sent.index("KeyError: 'inner'")


def test_without_an_error_nothing_is_sent(cells: Cells, simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("sys.last_value", raising=False)
    assert "no error yet" in cells.fail("%claude -e")
    assert "no error yet" in cells.fail("%claude -e")  # its own error does not count either
    assert not simulator.requests


def test_previous_cells_are_sent_with_source_and_output(cells: Cells, simulator: Simulator) -> None:
    cells("x = 1")
    cells("print('hello')\nx + 1")
    cells("%claude not this one")
    shown = cells("%%claude -p 2\nExplain.")
    assert "sent: the 2 previous cells (In [" in shown.stdout
    sent = questions(simulator)[-1]
    assert "```python\nx = 1\n```" in sent
    assert "print('hello')" in sent
    assert "hello\n2" in sent or "2\nhello" in sent
    assert "not this one" not in sent


def test_the_users_own_names_take_precedence(cells: Cells, simulator: Simulator) -> None:
    cells("error, previous, cells = 1, 2, 3")
    cells("%%claude\n{{ error }} {{ previous }} {{ cells }}")
    assert questions(simulator) == ["1 2 3"]


def test_nothing_is_sent_unless_it_is_named(cells: Cells, simulator: Simulator) -> None:
    fail_in_a_function(cells)
    cells("secret = 'xyzzy'\nprint(secret)")
    cells("%%claude\nHi")
    assert "xyzzy" not in str(body(simulator))
    assert questions(simulator) == ["Hi"]


@pytest.mark.parametrize("value", ["0", "-1", "True", "'x'"])
def test_an_invalid_number_of_cells(cells: Cells, value: str) -> None:
    assert "how many cells?" in cells.fail(f"%%claude\n{{{{ cells({value}) }}}}")


def test_the_middle_of_long_output_is_left_out(cells: Cells, simulator: Simulator) -> None:
    cells("print('a' * 9000 + 'the end')")
    cells("%%claude -p\nExplain.")
    sent = questions(simulator)[-1]
    assert "characters left out …" in sent
    assert "the end" in sent
    assert len(sent) < 9000
