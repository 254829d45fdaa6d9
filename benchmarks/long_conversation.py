"""One more question in a long conversation: making the request, sending it, and reading a short answer.

The floor sends bytes that are ready. Everybody else has the conversation as a user would have it
who asked all the questions before; the peers get the earlier messages as they keep them.
"""

from __future__ import annotations

import base64
import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import answers, others
from benchmarks.cases import CPU, FLOOR, OURS, PEAK, TIME, Case, Measure, Scene, Turn, Way
from benchmarks.meter import metered
from benchmarks.server import address, notes

_PICTURES = 20
_WORDS = "A mean says little without its spread; plot the data before you fit a line. " * 8
_ANSWER = "It means little."
_SIDE = 1100
_GOAL = 200
"""Turns, with pictures, for which there are figures to reach: memory at most a tenth of what is sent."""
Ask = Callable[[], object]
"""Asks one more question; says what came."""


def make(scene: Scene) -> None:
    """Write an answer, and pictures of noise: about a megabyte each as base64."""
    import numpy as np
    from PIL import Image

    answers.write(scene.folder, "short", [answers.text([_ANSWER])])
    random = np.random.default_rng(2026)
    for number in range(_PICTURES):
        side = _SIDE // scene.scale
        Image.fromarray(random.integers(0, 256, (side, side, 3), np.uint8)).save(_picture(scene, number), quality=70)


def _picture(scene: Scene, number: int) -> Path:
    return scene.folder / f"{number}.jpg"


@functools.cache
def _base64(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode("ascii")


def _history(scene: Scene, turns: int, pictures: int) -> list[tuple[list[Path], str]]:
    """The pictures and the words of each question; the pictures are in the last ones."""
    first = turns - pictures
    return [
        ([_picture(scene, number - first)] if number >= first else [], f"{number}. {_WORDS}") for number in range(turns)
    ]


def _messages(scene: Scene, turns: int, pictures: int) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = []
    for paths, words in _history(scene, turns, pictures):
        sources = [{"type": "base64", "media_type": "image/jpeg", "data": _base64(path)} for path in paths]
        content = [*({"type": "image", "source": source} for source in sources), {"type": "text", "text": words}]
        messages += [{"role": "user", "content": content}, {"role": "assistant", "content": _ANSWER}]
    return [*messages, {"role": "user", "content": "Go on."}]


def _floor(url: str, scene: Scene, turns: int, pictures: int) -> Ask:

    socket = answers.Socket(url)
    head = b'{"model":"claude-sonnet-5-5","max_tokens":1000,"stream":true,"messages":['
    encoded = [json.dumps(message).encode() for message in _messages(scene, turns, pictures)]
    large = [number for number, piece in enumerate(encoded) if len(piece) > 65536]
    pieces, begin = [head], 0
    for number in [*large, len(encoded)]:
        pieces += [b",".join(encoded[begin:number]), *([b",", encoded[number], b","] if number < len(encoded) else [])]
        begin = number + 1
    body = [piece for piece in [*pieces, b"]}"] if piece]
    return lambda: socket.ask(body)[0]


def _ours(url: str, scene: Scene, turns: int, pictures: int) -> Ask:
    from claude_magic import Conversation
    from claude_magic.conversation.conversation import Conversations
    from claude_magic.engine.settings import Settings

    claude = Conversation(home=Conversations(Settings(base_url=url)))
    for paths, words in _history(scene, turns, pictures):
        claude(words, *paths)
    answered = len(claude.turns)

    def ask() -> str:
        del claude.turns[answered:]  # what was asked in the turn before
        return claude("Go on.").text

    return ask


def _anthropic(url: str, scene: Scene, turns: int, pictures: int) -> Ask:
    client, messages = others.sdk(url), _messages(scene, turns, pictures)

    def ask() -> str:
        with others.sdk_stream(client, messages) as stream:
            return str(stream.get_final_message().content[0].text)

    return ask


def _chatlas(url: str, scene: Scene, turns: int, pictures: int) -> Ask:
    chat = others.chatlas(url)
    from chatlas import AssistantTurn, UserTurn, content_image_file  # type: ignore[import-not-found,unused-ignore]

    earlier: list[Any] = []
    for paths, words in _history(scene, turns, pictures):
        earlier += [UserTurn([*(content_image_file(str(path), resize="none") for path in paths), words])]
        earlier += [AssistantTurn(_ANSWER)]

    def ask() -> str:
        chat.set_turns(earlier)
        return "".join(chat.stream("Go on."))

    return ask


def _claudette(url: str, scene: Scene, turns: int, pictures: int) -> Ask:
    chat, messages = others.claudette(url), _messages(scene, turns, pictures)

    def ask() -> str:
        chat.h = messages[:-1]
        return "".join(chat("Go on.", stream=True))

    return ask


def _way(prepare: Callable[[str, Scene, int, int], Ask], turns: int, pictures: int) -> Way:
    def way(scene: Scene) -> Turn:
        asked = scene, scene.few(turns), min(pictures, scene.few(turns))
        url = address(scene, "short")
        ask = prepare(url, *asked)
        least = 0.9 * sum(len(json.dumps(message)) for message in _messages(*asked))

        def checked(answer: object) -> dict[str, float]:
            if answer != _ANSWER:
                raise ValueError(f"the answer is {answer!r}")
            if (length := notes(url)["length"]) < least:
                raise ValueError(f"of {least:.0f} bytes {length} were sent")
            return {}

        return metered(ask, checked)

    return way


_SUBJECTS = {FLOOR: _floor, OURS: _ours, "anthropic": _anthropic, "chatlas": _chatlas, "claudette": _claudette}


def _case(turns: int, pictures: int) -> Case:
    ways = {subject: _way(prepare, turns, pictures) for subject, prepare in _SUBJECTS.items()}
    ratio, most = (2.0, 0.1 * pictures) if pictures and turns == _GOAL else (None, None)
    name = f"{turns} turns, {pictures} pictures" if pictures else f"{turns} turns"
    return Case(name, ways, [Measure(CPU, "ms", ratio=ratio), Measure(TIME, "ms"), Measure(PEAK, "MB", most=most)])


CASES = tuple(_case(turns, pictures) for pictures in (0, _PICTURES) for turns in (50, 200, 800))
