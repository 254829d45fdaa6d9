"""From the socket to the finished reply: events a second, and processor time for each.

Every event comes in an HTTP chunk of its own, as fast as it can be sent. The floor reads the socket,
undoes the chunks, decodes each event and joins the pieces. The doubled answers show whether
anything costs more the longer the answer already is.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator
from typing import Any

from benchmarks import answers, others
from benchmarks.cases import FLOOR, OURS, PEAK, Case, Measure, Scene, Way
from benchmarks.meter import Meter
from benchmarks.server import address

RATE, EACH, GROWTH = "events a second", "CPU per event", "CPU when doubled"
_SHORT, _LONG = 4, 16
_EVENTS = 10_000
_TEXT, _INPUT = 512_000, 200_000
_WORDS = "The median does not mind an outlier; a mean says little without its spread. "
_HALF = "half-"
Read = Callable[[], Any]


@dataclasses.dataclass(frozen=True)
class Answer:
    """An answer that is read.

    Attributes
    ----------
    name : str
    blocks : callable
        From the number of events, or of characters, to its blocks.
    size : int
        That number.
    ratio : float
        To reach: CPU per event over the floor's.
    doubled : bool
        Whether the half of it is read, too.
    """

    name: str
    blocks: Callable[[int], list[answers.Block]]
    size: int
    ratio: float
    doubled: bool = False

    @property
    def file(self) -> str:
        """The name of the prepared bytes."""
        return self.name.replace(" ", "-")


def _pieces(count: int, length: int = _SHORT) -> list[str]:
    return answers.cut(_words(count * length), length)


def _words(characters: int) -> str:
    return (_WORDS * (characters // len(_WORDS) + 1))[:characters]


def _arguments(characters: int) -> list[str]:
    return answers.cut(json.dumps({"text": _words(characters)}), _LONG)


def _mixed(count: int) -> list[answers.Block]:
    called = answers.cut(json.dumps({"text": _words(count // 5 * _SHORT)}), _SHORT)
    return [
        answers.thinking(_pieces(count // 5)),
        answers.text(_pieces(count * 3 // 5)),
        answers.call(1, "note", called),
    ]


ANSWERS = (
    Answer("text", lambda count: [answers.text(_pieces(count))], _EVENTS, 3.0),
    Answer("thinking", lambda count: [answers.thinking(_pieces(count))], _EVENTS, 3.0),
    Answer("mixed", _mixed, _EVENTS, 3.0),
    Answer("512 kB of text", lambda size: [answers.text(_pieces(size // _LONG, _LONG))], _TEXT, 7.0, doubled=True),
    Answer("200 kB of tool input", lambda size: [answers.call(1, "note", _arguments(size))], _INPUT, 4.0, doubled=True),
)


def make(scene: Scene) -> None:
    """Write the answers, and what follows a call."""
    for answer in ANSWERS:
        halves = ((_HALF, 2), ("", 1)) if answer.doubled else (("", 1),)
        for prefix, divisor in halves:
            name = prefix + answer.file
            answers.write(scene.folder, name, answer.blocks(scene.few(answer.size) // divisor))
            answers.write(scene.folder, f"{name}.after", [answers.text(["Noted."])])


def _floor(url: str) -> Read:
    socket = answers.Socket(url)
    body = [answers.question()]
    return lambda: socket.ask(body)


def _ours(url: str) -> Read:
    from claude_magic.messages.client import Client
    from claude_magic.messages.exchange import RequestBody

    client, body = Client(url), RequestBody([answers.question()])

    def read() -> Any:
        stream = client.stream(body)
        for _ in stream:
            pass
        return [*stream.reply.to_wire(), stream.reply.thinking]

    return read


def note(text: str) -> str:
    """Note something."""
    return "noted"


def _chatlas(url: str) -> Read:
    return others.read_by_chatlas(url, note)


def _lengths(value: Any) -> Iterator[int]:
    """The lengths of all strings in an answer, whatever it is made of."""
    if isinstance(value, str):
        yield len(value)
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _lengths(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _lengths(inner)
    elif hasattr(value, "__dict__"):
        yield from _lengths(vars(value))


def _way(answer: Answer, reading: Callable[[str], Read]) -> Way:
    def way(scene: Scene) -> Callable[[], dict[str, float]]:
        def metered(name: str, size: int) -> Meter:
            read = reads[name]
            with Meter() as meter:
                made = read()
            # A fifth is the least that a block of the mixed answer holds.
            if max(_lengths(made)) < size * (_SHORT if answer.size == _EVENTS else 1) // 5:
                raise ValueError("the answer did not arrive whole")
            return meter

        names = [answer.file, _HALF + answer.file] if answer.doubled else [answer.file]
        reads = {name: reading(address(scene, name)) for name in names}
        events = scene.folder.joinpath(f"{answer.file}.sse").read_bytes().count(b"\n\n")
        size = scene.few(answer.size)

        def turn() -> dict[str, float]:
            whole = metered(answer.file, size)
            figures = {
                RATE: events / whole.seconds,
                EACH: 1e6 * whole.cpu / events,
                PEAK: whole.peak / 1e6,
            }
            if answer.doubled:
                figures[GROWTH] = whole.cpu / max(metered(_HALF + answer.file, size // 2).cpu, 1e-9)
            return figures

        return turn

    return way


def _case(answer: Answer) -> Case:
    measures = [Measure(RATE, "1/s"), Measure(EACH, "µs", ratio=answer.ratio), Measure(PEAK, "MB")]
    if answer.doubled:
        measures.append(Measure(GROWTH, "times", most=2.2))
    readers: dict[str, Callable[[str], Read]] = {
        FLOOR: _floor,
        OURS: _ours,
        "anthropic": others.read_by_sdk,
        "chatlas": _chatlas,
        "claudette": others.read_by_claudette,
    }
    return Case(answer.name, {subject: _way(answer, reading) for subject, reading in readers.items()}, measures)


CASES = tuple(map(_case, ANSWERS))
