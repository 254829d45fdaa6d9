"""What is seen of an answer in JupyterLab, with Chromium: when, and what it costs the page.

The answer comes with 400 deltas a second; every fiftieth holds a mark. The server notes when it
sends one, the page in which frame it is there. The floor is a cell that reads a raw socket and
writes plain text twenty times a second, which the page shows as it is.
"""

from __future__ import annotations

import contextlib
import statistics
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks import answers, display
from benchmarks.cases import FLOOR, OURS, Case, Measure, Scene, Turn, Way
from benchmarks.server import address, notes
from claude_magic.simulator import prose

MIDDLE, LATE = "seen after, median", "seen after, 95 of 100"
BUSY, BLOCKED, DROPPED = "main thread busy", "long tasks", "dropped frames"
SHORT, LONG = 1_000, 4_000
"""Deltas: two and a half seconds, and ten."""
_MARKED = 50
_FRAME = 1000 / 60
_PATIENCE = 180_000
_ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking")
_WATCH = """
cell => {
  const noted = window.noted = {marks: {}, frames: [], long: []};
  new PerformanceObserver(list => list.getEntries().forEach(entry => noted.long.push(entry.duration)))
    .observe({type: 'longtask'});
  let next = 0;
  const look = () => {
    noted.frames.push(performance.now());
    const text = cell.querySelector('.jp-OutputArea')?.textContent ?? '';
    while (text.includes(`[${next}]`)) noted.marks[next++] = Date.now();
    requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
}
"""


def make(scene: Scene) -> None:
    """Write the answers."""
    answers.write(scene.folder, "hello", [answers.text(["Hello."])])
    for count in (SHORT, LONG):
        pieces = prose.pieces(scene.few(count), 4)
        marked = [piece if n % _MARKED else f"{piece} [{n // _MARKED}] " for n, piece in enumerate(pieces)]
        answers.write(scene.folder, f"marked-{count}", [answers.text(marked)])


def _way(loads: str, asks: str, count: int) -> Way:
    def way(scene: Scene) -> Turn:
        from playwright.sync_api import sync_playwright

        urls = address(scene, "hello"), address(scene, f"marked-{count}", display.PACE)
        marks = (scene.few(count) - 1) // _MARKED + 1
        playwright = scene.keep.enter_context(sync_playwright())
        browser = playwright.chromium.launch(executable_path=_chromium(), args=_ARGUMENTS)
        scene.keep.callback(browser.close)
        lab = scene.keep.enter_context(_lab())

        def turn() -> dict[str, float]:
            lab.end_kernels()
            with contextlib.closing(browser.new_context(viewport={"width": 1200, "height": 1000})) as context:
                page = context.new_page()
                cells = [cell for url in urls for cell in (loads.replace("URL", url), asks)]
                notebook = lab.open(page, "seen", cells)
                for number in range(3):
                    notebook.run(number)
                session = context.new_cdp_session(page)
                session.send("Performance.enable")
                notebook.cell(3).evaluate(_WATCH)
                before = _busy(session)
                notebook.start(3)
                page.wait_for_function("count => count in window.noted.marks", arg=marks - 1, timeout=_PATIENCE)
                notebook.finish(3)
                busy = _busy(session) - before
                return {BUSY: 1e3 * busy, **_figures(page.evaluate("window.noted"), urls[1])}

        return turn

    return way


def _chromium() -> str | None:
    import shutil

    return shutil.which("chromium")  # or the one that playwright has installed


@contextlib.contextmanager
def _lab() -> Iterator[Any]:
    from tests.browser.lab import running_lab

    with tempfile.TemporaryDirectory() as folder, running_lab(Path(folder), {"PYTHONPATH": str(Path.cwd())}) as lab:
        yield lab


def _busy(session: Any) -> float:
    metrics = {metric["name"]: metric["value"] for metric in session.send("Performance.getMetrics")["metrics"]}
    return float(metrics["TaskDuration"])


def _figures(noted: Mapping[str, Any], url: str) -> dict[str, float]:
    content = notes(url)["times"][3:]  # behind the beginning of the message, a ping, and the beginning of the block
    delays = [at - 1e3 * content[_MARKED * int(mark)] for mark, at in noted["marks"].items()]
    steps = [after - before for before, after in zip(noted["frames"], noted["frames"][1:], strict=False)]
    return {
        MIDDLE: statistics.median(delays),
        LATE: sorted(delays)[-1 - len(delays) // 20],
        BLOCKED: sum(max(task - 50, 0) for task in noted["long"]),
        DROPPED: sum(max(round(step / _FRAME) - 1, 0) for step in steps),
    }


def _case(count: int, mode: str = "", *, peer: bool = False) -> Case:
    loads = f"{display.OURS_LOADS}\n%config ClaudeMagics.display = {mode!r}" if mode else display.OURS_LOADS
    ways = {
        FLOOR: _way(display.FLOOR_LOADS, display.FLOOR_ASKS, count),
        OURS: _way(loads, display.OURS_ASKS, count),
    }
    if peer:
        ways["chatlas"] = _way(display.CHATLAS_LOADS, display.CHATLAS_ASKS, count)
    measures = [
        Measure(MIDDLE, "ms", most=60),
        Measure(LATE, "ms", most=100),
        Measure(BUSY, "ms", ratio=1.6),
        Measure(BLOCKED, "ms", most=0),
        Measure(DROPPED, "frames", most=15),
    ]
    return Case(f"{count:,} deltas{', ' if mode else ''}{mode}", ways, measures, warm_up=False)


CASES = (_case(LONG), _case(LONG, "markdown"), _case(SHORT, peer=True))
