"""What a call of a function costs beyond the function.

An answer calls a function a number of times at once; the results go back, and a second answer ends
it. The floor reads both from a raw socket and calls the function with the decoded arguments. The
calls that wait run at the same time where that can be asked for, and one after the other elsewhere.
"""

from __future__ import annotations

import concurrent.futures
import importlib
import json
import time
from collections.abc import Callable

from benchmarks import answers, others
from benchmarks.cases import FLOOR, OURS, TIME, Case, Measure, Scene, Turn, Way
from benchmarks.meter import Meter
from benchmarks.server import address

EACH, CPU_EACH = "time per call", "CPU per call"
_MANY, _WAITING = 200, 20
_PAUSE = 0.1


def make(scene: Scene) -> None:
    """Write the calls, and what follows them."""
    for name, count in (("add", scene.few(_MANY)), ("wait", scene.few(_WAITING))):
        calls = [answers.call(n, name, answers.cut(json.dumps({"left": n, "right": 1}), 8)) for n in range(count)]
        answers.write(scene.folder, name, calls)
        answers.write(scene.folder, f"{name}.after", [answers.text(["Done."])])


called = 0


def add(left: int, right: int) -> str:
    """Add two numbers.

    Args:
        left: The first number.
        right: The second number.
    """
    global called  # noqa: PLW0603
    called += 1
    return str(left + right)  # the official SDK takes nothing else


def wait(left: int, right: int) -> str:
    """Wait, and add two numbers.

    Args:
        left: The first number.
        right: The second number.
    """
    time.sleep(_PAUSE)
    return add(left, right)


Function = Callable[[int, int], str]
Ask = Callable[[], object]


def _floor(url: str, function: Function) -> Ask:
    socket = answers.Socket(url)

    def ask() -> None:
        inputs = socket.ask([answers.question()])
        if function is wait:
            with concurrent.futures.ThreadPoolExecutor(len(inputs)) as pool:
                results = [*pool.map(lambda given: function(given["left"], given["right"]), inputs)]
        else:
            results = [function(given["left"], given["right"]) for given in inputs]
        content = [{"type": "tool_result", "tool_use_id": "", "content": result} for result in results]
        more = {"role": "user", "content": content}
        socket.ask([json.dumps({"stream": True, "messages": [more]}).encode()])

    return ask


def _ours(url: str, function: Function) -> Ask:
    from claude_magic import Conversation, tool
    from claude_magic.conversation.conversation import Conversations
    from claude_magic.engine.settings import Settings

    offered = tool(parallel=function is wait)(function)
    claude = Conversation(tools=[offered], home=Conversations(Settings(base_url=url)))
    return lambda: claude("Go on.", once=True)


def _anthropic(url: str, function: Function) -> Ask:
    client, offered = others.sdk(url), importlib.import_module("anthropic").beta_tool(function)
    messages = [{"role": "user", "content": "Go on."}]

    def ask() -> None:
        runner = client.beta.messages.tool_runner(
            model=answers.MODEL, max_tokens=1000, tools=[offered], messages=messages, stream=True
        )
        for stream in runner:
            stream.get_final_message()

    return ask


def _chatlas(url: str, function: Function) -> Ask:
    return others.read_by_chatlas(url, function)


def _claudette(url: str, function: Function) -> Ask:
    importlib.import_module("claudette.toolloop")
    chat = others.claudette(url, tools=[function])

    def ask() -> None:
        chat.h = []
        for _ in chat.toolloop("Go on."):
            pass

    return ask


def _way(prepare: Callable[[str, Function], Ask], function: Function, count: int) -> Way:
    def way(scene: Scene) -> Turn:
        ask = prepare(address(scene, "add" if function is add else "wait"), function)

        def turn() -> dict[str, float]:
            before, calls = called, scene.few(count)
            with Meter() as meter:
                ask()
            if called - before != calls:
                raise ValueError(f"{called - before} of {calls} calls were made")
            figures = meter.figures
            return {**figures, EACH: 1e6 * meter.seconds / calls, CPU_EACH: 1e6 * meter.cpu / calls}

        return turn

    return way


_SUBJECTS = {FLOOR: _floor, OURS: _ours, "anthropic": _anthropic, "chatlas": _chatlas, "claudette": _claudette}
CASES = (
    Case(
        f"{_MANY} calls",
        {subject: _way(prepare, add, _MANY) for subject, prepare in _SUBJECTS.items()},
        [Measure(EACH, "µs"), Measure(CPU_EACH, "µs")],
    ),
    Case(
        f"{_WAITING} calls that wait 100 ms",
        {subject: _way(prepare, wait, _WAITING) for subject, prepare in _SUBJECTS.items()},
        [Measure(TIME, "ms", ratio=1.5)],
    ),
)
