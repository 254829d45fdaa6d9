"""The calls of a reply: whatever happens, each one is answered, and Claude is told what happened."""

from __future__ import annotations

import asyncio
import io
import logging
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from claude_magic.messages.errors import BadInput, Interrupted
from claude_magic.messages.limits import widest_limits
from claude_magic.tools import Tool, captured_output
from claude_magic.tools.calls import Call, ask_in_cell, run
from claude_magic.tools.captured_output import CapturedOutput
from tests.conftest import KEY
from tests.tools.test_executor import ENOUGH, ctrl_c, spin


def call(function: Callable[..., Any] | None, _name: str = "", /, **given: Any) -> Call:
    """A call of a function; options of the tool are its attribute ``options``."""
    tool = None if function is None else Tool(function, **getattr(function, "options", {}))
    name = _name or (tool.name if tool is not None else "nothing")
    return Call(f"toolu_{name}", name, given, tool=tool)


def having(**options: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        function.options = options  # type: ignore[attr-defined]
        return function

    return decorate


def never(call: Call) -> str:
    raise AssertionError("no call needs confirmation")


def states(calls: Sequence[Call], confirm: Callable[[Call], str] = never, **more: Any) -> list[tuple[str, str]]:
    """Run, and the changes that were announced."""
    seen: list[tuple[str, str]] = []
    run(calls, changed=lambda call: seen.append((call.name, call.state)), confirm=confirm, **more)
    return seen


def ran(function: Callable[..., Any], /, **given: Any) -> Call:
    """A call, after it has run alone."""
    made = call(function, **given)
    states([made])
    return made


def told(call: Call) -> Any:
    """The content of the answer; whether it is an error is in the state as well."""
    block = call.result().block(widest_limits())
    assert (block["type"], block["tool_use_id"]) == ("tool_result", call.id)
    assert block.get("is_error", False) is call.is_error is (call.state != "done")
    return block["content"]


def leave() -> None:
    sys.exit(3)


def add(a: int, b: int = 1) -> int:
    return a + b


def fail(text: str) -> None:
    raise ValueError(text)


def shout(text: str) -> str:
    print(text.upper())
    print("quietly", file=sys.stderr)
    return text


def test_calls_run_in_order_in_this_thread() -> None:
    order: list[tuple[int, bool]] = []

    def note(number: int) -> None:
        order.append((number, threading.current_thread() is threading.main_thread()))

    calls = [call(note, "first", number=1), call(add, a="2"), call(note, "last", number=3)]
    seen = states(calls)
    assert order == [(1, True), (3, True)]
    assert [told(each) for each in calls] == ["done", "3", "done"]
    assert seen == [(name, state) for name in ("first", "add", "last") for state in ("running", "done")]
    assert calls[1].value == 3


def test_calls_that_cannot_be_run_are_answered() -> None:
    broken = call(add)
    broken.invalid = '{"a": ' + "1" * 1000
    calls = [call(None, "ad", a=1), call(add, a="x"), broken, call(add, a=1)]
    assert states(calls, names=["add", "fail"]) == [
        ("ad", "failed"),
        ("add", "failed"),
        ("add", "failed"),
        ("add", "running"),
        ("add", "done"),
    ]
    assert "'ad'" in told(calls[0])
    assert "add, fail" in told(calls[0])
    assert told(calls[1]).startswith("a: ")
    assert "'x'" in told(calls[1])
    assert 'not a JSON object: {"a": 111' in told(calls[2])
    assert len(told(calls[2])) < 600
    assert told(calls[3]) == "2"


def test_claude_is_told_an_error_in_a_line_and_the_user_gets_it_whole() -> None:
    calls = [call(fail, text=f"no such region, with {KEY}"), call(leave), call(add, a=1)]
    states(calls)
    assert told(calls[0]) == "ValueError: no such region, with sk-ant-***"
    assert isinstance(calls[0].exception, ValueError)
    assert traceback.extract_tb(calls[0].exception.__traceback__)[-1].name == "fail"
    assert told(calls[1]) == "SystemExit: 3"
    assert told(calls[2]) == "2"


class Odd:
    pass


class Unkind:
    def __str__(self) -> str:
        raise RuntimeError("no words")

    __repr__ = __str__


@pytest.mark.parametrize("value", [Odd(), Unkind()])
def test_a_value_that_cannot_be_shown_is_reported(value: object) -> None:
    def find() -> object:
        return value

    made = ran(find)
    assert made.value is value
    assert made.exception is not None
    assert told(made).startswith("find ran, but its result cannot be shown. ")


def test_claude_is_told_what_tools_print_and_the_cell_does_not_show_it(capsys: pytest.CaptureFixture[str]) -> None:
    @having(parallel=True)
    def beside(text: str) -> None:
        print(text)

    async def awaited(text: str) -> None:
        await asyncio.sleep(0.01)
        print(text)

    def noisy() -> str:
        for number in range(3):
            print(f"\r{number} of 3", end="", file=sys.stderr)
        print()
        print("x" * 1_000_000, KEY)
        return "loud"

    def failing() -> None:
        print("so far so good")
        fail("then not")

    calls = [call(shout, text="hello"), call(beside, text="b"), call(awaited, text="c"), call(noisy), call(failing)]
    out, err = sys.stdout, sys.stderr
    states(calls)
    assert (sys.stdout, sys.stderr) == (out, err)
    print("the cell's own")
    assert capsys.readouterr() == ("the cell's own\n", "")
    assert [part["text"] for part in told(calls[0])] == ["hello", "Printed:\nHELLO\nquietly\n"]
    assert [part["text"] for part in told(calls[1])] == ["done", "Printed:\nb\n"]
    assert [part["text"] for part in told(calls[2])] == ["done", "Printed:\nc\n"]
    loud, printed, cut = (part["text"] for part in told(calls[3]))
    assert (loud, printed[:16]) == ("loud", "Printed:\n2 of 3\n")
    assert len(printed) < captured_output.LONGEST + 10
    assert cut == f"… {calls[3].notes[0]}"
    assert [part["text"] for part in told(calls[4])] == ["ValueError: then not", "Printed:\nso far so good\n"]
    assert calls[4].printed == "so far so good\n"


def test_a_printed_key_is_redacted() -> None:
    def show() -> None:
        print(KEY)

    assert told(ran(show))[1]["text"] == "Printed:\nsk-ant-***\n"


def test_a_log_handler_created_in_a_call_later_writes_to_the_cell(capsys: pytest.CaptureFixture[str]) -> None:
    handlers: list[logging.StreamHandler[Any]] = []

    def begin() -> None:
        handlers.append(logging.StreamHandler(sys.stderr))
        assert sys.stdout.encoding is not None
        sys.stdout.writelines(["a", "b"])

    made = ran(begin)
    handlers[0].handle(logging.makeLogRecord({"msg": "later"}))
    assert made.printed == "ab"
    assert capsys.readouterr().err == "later\n"


def test_nothing_else_in_the_kernel_is_captured(capsys: pytest.CaptureFixture[str]) -> None:
    go, gone = threading.Event(), threading.Event()

    def background() -> None:
        go.wait(ENOUGH)
        print("from elsewhere")
        gone.set()

    thread = threading.Thread(target=background)
    thread.start()

    def wait() -> None:
        go.set()
        gone.wait(ENOUGH)

    made = ran(wait)
    thread.join()
    assert (made.printed, capsys.readouterr().out) == ("", "from elsewhere\n")


def test_captured_output_is_bounded_while_it_grows() -> None:
    captured = CapturedOutput()
    for _ in range(1000):
        captured.write("x" * 1000)
    assert (len(captured.text), captured.cut) == (captured_output.LONGEST, 1_000_000 - captured_output.LONGEST)


def test_parallel_calls_meet_and_keep_their_order() -> None:
    barrier = threading.Barrier(3)
    met = asyncio.Event()

    @having(parallel=True)
    def meet(number: int) -> int:
        barrier.wait(ENOUGH)
        return number

    @having(parallel=True)
    async def wait() -> str:
        await met.wait()
        return "waited"

    @having(parallel=True)
    async def come() -> str:
        met.set()
        return "came"

    calls = [call(meet, "a", number=1), call(wait), call(meet, "b", number=2), call(come), call(add, a=3)]
    third = threading.Thread(target=barrier.wait, args=[ENOUGH])
    third.start()
    states(calls)
    third.join()
    assert [told(each) for each in calls] == ["1", "waited", "2", "came", "4"]


def test_claude_is_told_about_timeouts() -> None:
    @having(timeout=0.1)
    def spinning() -> None:
        print("begun")
        spin()

    @having(timeout=0.1)
    async def sleeping() -> None:
        await asyncio.sleep(ENOUGH)

    go = threading.Event()

    @having(timeout=0.1, parallel=True)
    def waiting() -> None:
        go.wait(ENOUGH)

    calls = [call(spinning), call(sleeping), call(waiting), call(add, a=1)]
    states(calls)
    go.set()
    assert [part["text"] for part in told(calls[0])] == ["Stopped after 0.1 s (its timeout).", "Printed:\nbegun\n"]
    assert told(calls[1]) == "Stopped after 0.1 s (its timeout)."
    assert told(calls[2]) == "Abandoned after 0.1 s (its timeout). It may still be running."
    assert calls[2].notes == ("abandoned: it may still be running",)
    assert told(calls[3]) == "2"


def test_ctrl_c_stops_everything_and_every_call_is_answered() -> None:
    begun: list[int] = []
    go, quick_done = threading.Event(), threading.Event()

    def endless() -> None:
        print("begun")
        begun.append(1)
        spin()

    @having(parallel=True)
    def quick() -> str:
        quick_done.set()
        return "quick"

    @having(parallel=True)
    def slow() -> None:
        go.wait(ENOUGH)

    calls = [call(add, a=1), call(quick), call(endless), call(slow), call(add, "later", a=1), call(None, "unknown")]
    seen: list[tuple[str, str]] = []
    with (
        ctrl_c(lambda: begun and quick_done.is_set() and not time.sleep(0.1)),  # type: ignore[func-returns-value]
        pytest.raises(KeyboardInterrupt),
    ):
        run(calls, changed=lambda call: seen.append((call.name, call.state)), confirm=never)
    go.set()
    assert [told(each) for each in calls] == [
        "2",
        "quick",
        [{"type": "text", "text": "Stopped by the user."}, {"type": "text", "text": "Printed:\nbegun\n"}],
        "Stopped by the user. It may still be running.",
        "Not run: stopped by the user before its turn.",
        "There is no tool named 'unknown'. There are no tools.",
    ]
    assert calls[3].notes == ("abandoned: it may still be running",)
    assert seen[-4:] == [("quick", "done"), ("endless", "stopped"), ("slow", "stopped"), ("later", "stopped")]


def test_ctrl_c_stops_coroutines() -> None:
    steps: list[int] = []

    finished: list[bool] = []

    @having(parallel=True)
    async def endless() -> None:
        while True:
            steps.extend(finished)
            await asyncio.sleep(0.001)

    @having(parallel=True)
    async def quick() -> str:
        finished.append(True)
        return "quick"

    calls = [call(endless), call(quick)]
    with ctrl_c(lambda: len(steps) > 10), pytest.raises(KeyboardInterrupt):
        states(calls)
    assert [told(each) for each in calls] == ["Stopped by the user.", "quick"]
    before = len(steps)
    states([call(quick)])
    assert len(steps) == before


def test_a_tool_that_raises_keyboard_interrupt_is_like_ctrl_c() -> None:
    def ask() -> None:
        raise Interrupted("Stopped before there was an answer.")

    calls = [call(ask), call(add, a=1)]
    with pytest.raises(Interrupted):
        states(calls)
    assert [each.state for each in calls] == ["stopped", "stopped"]


def test_an_internal_error_leaves_no_call_unanswered() -> None:
    def changed(call: Call) -> None:
        if call.state == "running":
            raise ZeroDivisionError

    calls = [call(add, a=1), call(add, a=2)]
    with pytest.raises(ZeroDivisionError):
        run(calls, changed=changed, confirm=never)
    assert told(calls[0]) == "Stopped by an error elsewhere."
    assert told(calls[1]) == "Not run: stopped by an error elsewhere before its turn."


def test_a_tool_may_run_calls_itself() -> None:
    inner = [call(shout, text="inner"), call(add, a=1)]

    async def awaits() -> str:
        await asyncio.sleep(0.01)
        return "awaited"

    inner.append(call(awaits))

    def outer() -> str:
        print("before")
        states(inner)
        print("after")
        return "outer"

    async def around() -> str:
        return outer()

    calls = [call(outer), call(around)]
    states(calls)
    assert [each.printed for each in calls] == ["before\nafter\n"] * 2
    assert inner[0].printed == "INNER\nquietly\n"
    assert [each.state for each in (*calls, *inner)] == ["done"] * 5


def test_the_timeout_of_a_tool_holds_for_the_calls_it_makes() -> None:
    inner = [call(endless_spin), call(add, a=1)]

    @having(timeout=0.1)
    def outer() -> None:
        states(inner)

    calls = [call(outer), call(add, a=1)]
    states(calls)
    assert [told(each) for each in calls] == ["Stopped after 0.1 s (its timeout).", "2"]
    assert told(inner[0]) == "Stopped together with the tool that had asked for it."
    assert told(inner[1]) == "Not run: stopped together with the tool that had asked for it before its turn."


def endless_spin() -> None:
    spin()


@having(confirm=True)
def delete(path: str) -> str:
    return f"deleted {path}"


def test_the_user_is_asked_before_anything_runs() -> None:
    asked: list[tuple[str, bool]] = []
    ran: list[int] = []
    answers = iter(["no", "yes", "always", "whatever"])

    def note() -> None:
        ran.append(1)

    def confirm(call: Call) -> str:
        asked.append((call.input["path"], bool(ran)))
        return next(answers)

    calls = [call(note), *(call(delete, path=path) for path in "abcd"), call(delete, path=5)]
    seen = states(calls, confirm)
    assert asked == [("a", False), ("b", False), ("c", False)]
    assert told(calls[1]) == "Not run: delete has to be confirmed. The user was asked and said no."
    assert [told(each) for each in calls[2:5]] == ["deleted b", "deleted c", "deleted d"]
    assert calls[5].state == "failed"  # wrong arguments are not worth a question
    assert [state for name, state in seen if name == "delete"][:4] == ["failed", "confirming", "refused", "confirming"]


def test_all_calls_may_have_to_be_confirmed() -> None:
    calls = [call(add, a=1), call(delete, path="a")]
    states(calls, lambda call: "no", confirm_all=True)
    assert [each.state for each in calls] == ["refused", "refused"]


@pytest.mark.parametrize("error", [BadInput("no front end"), RuntimeError("a mistake")])
def test_without_an_answer_nothing_runs(error: Exception) -> None:
    def confirm(call: Call) -> str:
        raise error

    made = call(delete, path="a")
    states([made], confirm)
    assert made.exception is error
    assert told(made) == "Not run: delete has to be confirmed. There is nobody to ask."


def test_ctrl_c_instead_of_an_answer_stops_everything() -> None:
    def confirm(call: Call) -> str:
        os.kill(os.getpid(), signal.SIGINT)
        spin()
        raise AssertionError

    calls = [call(add, a=1), call(delete, path="a")]
    with pytest.raises(KeyboardInterrupt):
        states(calls, confirm)
    assert [told(each) for each in calls] == ["Not run: stopped by the user before its turn."] * 2


@pytest.mark.parametrize(("typed", "answer"), [("Y\n", "yes"), ("x\n\nno\n", "no"), (" always \n", "always")])
def test_asking_in_the_cell(
    typed: str, answer: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
    made = call(delete, path="x" * 500)
    made.input["code"] = "import os\n\tos.remove('a')\x1b[2K\u202e"
    assert ask_in_cell(made) == answer
    shown = capsys.readouterr().out
    assert "x" * 500 in shown  # nothing that runs is hidden
    assert "code = \n    import os\n    \tos.remove('a')\\x1b[2K\\u202e\n" in shown
    assert shown.count("Run delete? [y]es / [n]o / [a]lways: ") == typed.count("\n")


@pytest.mark.parametrize("stdin", [io.StringIO(""), None])
def test_asking_when_there_is_nobody_to_ask(stdin: io.StringIO | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", stdin)
    with pytest.raises(BadInput, match="delete has to be confirmed, and there is nobody to ask"):
        ask_in_cell(call(delete, path="a"))


def test_asking_within_a_tool_is_seen(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def outer() -> str:
        print("kept back")
        inner = call(having(confirm=True)(delete), path=f"a {KEY}")
        run([inner], changed=lambda call: None, confirm=ask_in_cell)
        return inner.state

    monkeypatch.setattr(sys, "stdin", io.StringIO("no\n"))
    asked = ran(outer)
    assert "Claude wants to run delete:\n  path = 'a sk-ant-***'\n" in capsys.readouterr().out
    assert (asked.value, asked.printed) == ("refused", "kept back\nRun delete? [y]es / [n]o / [a]lways: ")


def test_the_repr_of_a_call_is_one_line() -> None:
    assert KEY not in repr(call(add, a=1, b=KEY))
    made = call(add, a=1, b="x" * 1000)
    assert made.arguments() == f"a=1, b='{'x' * 58}…"
    made.seconds = 0.25
    assert repr(made) == f"<Call add({made.arguments()}): asked, 0.2 s>"
    made.invalid = "{"
    assert made.arguments() == "'{'"
    assert len(call(add, **{f"name{n}": n for n in range(1000)}).arguments()) < 300


def test_calls_from_another_thread() -> None:
    async def awaited() -> str:
        return "awaited"

    calls = [call(add, a=1), call(awaited)]
    out = sys.stdout
    thread = threading.Thread(target=states, args=[calls])
    thread.start()
    thread.join(ENOUGH)
    assert sys.stdout is out
    assert [told(each) for each in calls] == ["2", "awaited"]
