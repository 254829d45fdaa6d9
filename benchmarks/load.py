"""Loading, and the first question, in a kernel that runs.

Each turn is a kernel of its own, which has run one cell. The floor loads an extension with one
magic, which is a function, and asks with ``http.client`` after making an SSL context, as a client
of the real server must; no subject speaks TLS here. Everything is compiled, and in the system's cache.
"""

from __future__ import annotations

from collections.abc import Callable

from benchmarks import answers
from benchmarks.cases import CPU, FLOOR, OURS, PEAK, TIME, Case, Measure, Scene, Turn, Way
from benchmarks.kernels import FIGURES, kernel
from benchmarks.server import address

_ANSWER = "Hello there."
_MODULE = """
def load_ipython_extension(shell):
    def bare(line, cell=None):
        import http.client, json, ssl
        ssl.create_default_context()
        connection = http.client.HTTPConnection(URL.split("/")[2])
        connection.request("POST", "/hello/v1/messages", BODY)
        for line in connection.getresponse():
            if line.startswith(b"data: "):
                event = json.loads(line[6:])
                if event["type"] == "content_block_delta":
                    print(event["delta"]["text"], end="")
    shell.register_magic_function(bare, "line_cell")
"""
_SDK = f"""
client = anthropic.Anthropic()
with client.messages.stream(model={answers.MODEL!r}, max_tokens=1000,
                            messages=[{{"role": "user", "content": "Go on."}}]) as stream:
    for text in stream.text_stream:
        print(text, end="")
"""
_SUBJECTS: dict[str, tuple[str, str]] = {
    FLOOR: ("%load_ext bare_extension", "%%bare\nGo on."),
    OURS: ("%load_ext claude_magic", "%%claude\nGo on."),
    "anthropic": ("import anthropic", _SDK),
    "chatlas": ("import chatlas", f'chatlas.ChatAnthropic(model={answers.MODEL!r}).chat("Go on.");'),
    "claudette": (
        "import claudette",
        f'for text in claudette.Chat({answers.MODEL!r})("Go on.", stream=True): print(text, end="")',
    ),
    "jupyter-ai-magics": ("%load_ext jupyter_ai_magics", "%%ai anthropic-chat:claude-sonnet-4-20250514\nGo on."),
}


def make(scene: Scene) -> None:
    """Write an answer, and the floor's extension."""
    answers.write(scene.folder, "hello", [answers.text([_ANSWER])])


def _way(loads: str, asks: str) -> Way:
    def way(scene: Scene) -> Turn:
        url = address(scene, "hello")
        module = _MODULE.replace("URL", repr(url)).replace("BODY", repr(answers.question()))
        scene.folder.joinpath("bare_extension.py").write_text(module, "utf-8")

        def turn() -> dict[str, float]:
            figures: dict[str, float] = {}
            with kernel(url) as running:
                running.run(f"import sys; sys.path.insert(0, {str(scene.folder)!r})")
                for name, cell, shows in (("load", loads, ""), ("first use", asks, _ANSWER)):
                    seen = running.run(cell, timed=FIGURES)
                    if shows not in seen.shown:
                        raise ValueError(f"the cell shows {seen.shown[:100]!r}")
                    values = seen.values["timed"]
                    figures |= {f"{name}, {measure}": value for measure, value in values.items()}
            return figures

        return turn

    return way


def _measures(name: str, ratio: Callable[[str], float | None]) -> list[Measure]:
    units = {TIME: "ms", CPU: "ms", PEAK: "MB"}
    return [Measure(f"{name}, {measure}", unit, ratio=ratio(measure)) for measure, unit in units.items()]


CASES = (
    Case(
        "running kernel",
        {subject: _way(*cells) for subject, cells in _SUBJECTS.items()},
        [
            *_measures("load", {TIME: 2.0}.get),
            *_measures("first use", {TIME: 5.0}.get),
        ],
    ),
)
