"""What an answer costs between the kernel and the front end: messages and bytes on iopub, kernel CPU.

The answer comes with 400 deltas a second. The floor reads it from a raw socket and sends what is
new, as plain text, twenty times a second: every character once, and an envelope. Each kernel has
shown a short answer before. chatlas is left out of the longest answer: what it sends grows with the
square of the length, and five of its kernels are more than the processor can take.
"""

from __future__ import annotations

from benchmarks import answers
from benchmarks.cases import CPU, FLOOR, OURS, PEAK, Case, Measure, Scene, Turn, Way
from benchmarks.kernels import FIGURES, kernel
from benchmarks.server import address
from claude_magic.simulator import prose

MESSAGES, SIZE, EACH = "iopub messages", "iopub bytes", "iopub bytes per character"
PACE = 400
_CHARACTERS = 4
SHORT, LONG = 4_000, 20_000
"""Deltas: ten seconds, and fifty."""
FLOOR_LOADS = "from benchmarks.answers import Socket, question\nimport time\nsocket = Socket('URL')"
FLOOR_ASKS = """
pieces, shown = [], [time.monotonic()]
def see(piece):
    pieces.append(piece)
    if time.monotonic() - shown[0] >= 0.05:
        show()
def show():
    print("".join(pieces), end="", flush=True)
    pieces.clear()
    shown[0] = time.monotonic()
socket.ask([question()], see)
show()
"""
OURS_LOADS = "%load_ext claude_magic\n%config ClaudeMagics.base_url = 'URL'"
OURS_ASKS = "%%claude --once\nGo on."
CHATLAS_LOADS = f"""
import chatlas
chat = chatlas.ChatAnthropic(model={answers.MODEL!r}, api_key="any", kwargs={{"base_url": "URL"}})
"""
CHATLAS_ASKS = 'chat.chat("Go on.");'


def make(scene: Scene) -> None:
    """Write the answers."""
    answers.write(scene.folder, "hello", [answers.text(["Hello."])])
    for count in (SHORT, LONG):
        answers.write(scene.folder, f"deltas-{count}", [answers.text(prose.pieces(scene.few(count), _CHARACTERS))])


def _way(loads: str, asks: str, count: int) -> Way:
    def way(scene: Scene) -> Turn:
        urls = address(scene, "hello"), address(scene, f"deltas-{count}", PACE)

        def turn() -> dict[str, float]:
            with kernel() as running:
                for url in urls:
                    running.run(loads.replace("URL", url))
                    seen = running.run(asks, timed=FIGURES)
            characters = scene.few(count) * _CHARACTERS
            if len(seen.shown) < characters:
                raise ValueError(f"of {characters} characters {len(seen.shown)} were shown")
            timed = seen.values["timed"]
            figures = {SIZE: seen.size / 1e6, EACH: seen.size / characters, MESSAGES: seen.messages}
            return {**figures, CPU: timed[CPU], PEAK: timed[PEAK]}

        return turn

    return way


def _case(count: int, display: str = "", *, at_once: int = 1, peer: bool = False) -> Case:
    loads = f"{OURS_LOADS}\n%config ClaudeMagics.display = {display!r}" if display else OURS_LOADS
    ways = {FLOOR: _way(FLOOR_LOADS, FLOOR_ASKS, count), OURS: _way(loads, OURS_ASKS, count)}
    if peer:
        ways["chatlas"] = _way(CHATLAS_LOADS, CHATLAS_ASKS, count)
    measures = [
        Measure(SIZE, "MB", ratio=3.0),
        Measure(EACH, "bytes"),
        Measure(MESSAGES, "messages"),
        Measure(CPU, "ms"),
        Measure(PEAK, "MB"),
    ]
    name = f"{count:,} deltas{', ' if display else ''}{display}"
    return Case(name, ways, measures, at_once=at_once, warm_up=False)


CASES = (_case(SHORT, peer=True), _case(SHORT, "markdown"), _case(LONG, at_once=5))
