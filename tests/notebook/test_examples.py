"""The API's own examples: each as a cell, and as the programs that a cell can be shown as.

A cell sends what the example says, and the curl, Python and TypeScript programs that claude_magic
writes of it, run against the same server with the official libraries, send it again.
"""

from __future__ import annotations

import base64
import dataclasses
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from claude_magic.simulator import Simulator
from tests.conftest import KEY
from tests.conversation.wire import body
from tests.judges import require_judge
from tests.notebook.conftest import Cells
from tests.notebook.kernels import harmless_environment

ANT = "https://example.org/ant.jpg"
LATIN = "What is latin for Ant? (A) Apoidea, (B) Rhopalocera, (C) Formicidae"
PICTURE = Image.linear_gradient("L").convert("RGB").resize((56, 56))
TOOL = """
from claude_magic import tool
@tool(strict=True)
def weather(city: str, days: int = 1) -> str:
    "Look out of the window."
    return f"sunny in {city}"
"""
EVERYTHING = r"""
%%claude -m claude-haiku-4-5 -t weather -s "It's $HOME, `id` and \"more\"." --stop END --temperature 0.5
How is it? {{ picture }} {{ table }}
""".strip()


@dataclasses.dataclass(frozen=True)
class Example:
    """Cells, and what the last of them sends.

    Attributes
    ----------
    cells : tuple of str
    fields : dict
        Of the request.
    messages : list
    replies : tuple of str
        Plans for what the simulator answers.
    """

    cells: tuple[str, ...]
    fields: dict[str, Any]
    messages: list[Any]
    replies: tuple[str, ...] = ()


def user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


def assistant(content: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": content}


def about_a_picture(value: str, source: dict[str, Any]) -> Example:
    question = "What is in the above image?"
    content = [{"type": "image", "source": source}, {"type": "text", "text": question}]
    return Example((f"{FIRST}{{{{ {value} }}}}\n{question}",), SHORT, [user(content)])


SHORT = {"model": "claude-opus-4-8", "max_tokens": 1024}
FIRST = "%%claude -m claude-opus-4-8 --max-tokens 1024\n"
EXAMPLES = {
    "basic": Example((f"{FIRST}Hello, Claude",), SHORT, [user("Hello, Claude")]),
    "several turns": Example(
        (f"{FIRST}Hello, Claude", f"{FIRST}Can you describe LLMs to me?"),
        SHORT,
        [user("Hello, Claude"), assistant("Hello!"), user("Can you describe LLMs to me?")],
    ),
    "a turn that Claude never wrote": Example(
        (f"{FIRST}Which animal are you?", f"{FIRST}And why?"),
        SHORT,
        [user("Which animal are you?"), assistant("An ant, naturally."), user("And why?")],
        ("say=An ant, naturally.",),
    ),
    "words put into Claude's mouth": Example(
        (f'%%claude -m claude-sonnet-4-5 --max-tokens 1 --prefill "The answer is ("\n{LATIN}',),
        {"model": "claude-sonnet-4-5", "max_tokens": 1},
        [user(LATIN), assistant("The answer is (")],
    ),
    "picture by its bytes": about_a_picture("picture", {"type": "base64", "media_type": "image/png", "data": ...}),
    "picture by its address": about_a_picture(f"RemotePicture({ANT!r})", {"type": "url", "url": ANT}),
}


@pytest.fixture
def shell(cells: Cells) -> Cells:
    cells("from claude_magic.content.values import RemotePicture")
    cells.shell.push({"picture": PICTURE})
    return cells


def ask(shell: Cells, simulator: Simulator, example: Example) -> dict[str, Any]:
    """Run the cells; what the last of them sent."""
    for plan in example.replies:
        simulator.faults.append(plan)
    shell("claude.reset()")
    for cell in example.cells:
        shell(cell)
    return body(simulator)


@pytest.mark.parametrize("example", EXAMPLES.values(), ids=EXAMPLES)
def test_a_cell_sends_what_the_example_sends(shell: Cells, simulator: Simulator, example: Example) -> None:
    sent = ask(shell, simulator, example)
    for message in sent["messages"]:
        for block in message["content"] if isinstance(message["content"], list) else ():
            if block.get("source", {}).get("type") == "base64":
                picture = Image.open(io.BytesIO(base64.b64decode(block["source"]["data"])))
                assert picture.convert("RGB").tobytes() == PICTURE.tobytes()
                block["source"]["data"] = ...
    assert sent == {**example.fields, "stream": True, "messages": example.messages}


def run_curl(programs: list[Path], environment: dict[str, str]) -> None:
    require_judge("curl")
    for path in programs:
        subprocess.run(["sh", path], env=environment, check=True, capture_output=True, timeout=120)


def run_python(programs: list[Path], environment: dict[str, str]) -> None:
    run_all = "import runpy, sys\nfor path in sys.argv[1:]: runpy.run_path(path)"
    command = [sys.executable, "-c", run_all, *map(str, programs)]
    subprocess.run(command, env=environment, check=True, capture_output=True, timeout=120)


def run_typescript(programs: list[Path], environment: dict[str, str]) -> None:
    tsx, library = Path(require_judge("tsx")), Path(require_judge("anthropic-ai-sdk"))
    folder = programs[0].parent
    (folder / "node_modules").symlink_to(library.parent.parent.resolve())
    (folder / "all.mts").write_text("".join(f"await import('./{path.name}');\n" for path in programs))
    subprocess.run([tsx, folder / "all.mts"], env=environment, check=True, capture_output=True, timeout=120)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("form", "ending", "run"),
    [("curl", "sh", run_curl), ("python", "py", run_python), ("typescript", "mts", run_typescript)],
    ids=["curl", "python", "typescript"],
)
def test_the_programs_send_the_same_again(
    shell: Cells, simulator: Simulator, tmp_path: Path, form: str, ending: str, run: Any
) -> None:
    simulator.keys = {KEY}
    shell(f"import os; os.environ['ANTHROPIC_API_KEY'] = {KEY!r}\n{TOOL}\nimport pandas as pd")
    try:
        expected, programs = [], []
        shell("table = pd.DataFrame({'a': [1.5, None], 'b': ['😀', '\\u202ex']})")
        examples = [*EXAMPLES.values(), Example((EVERYTHING,), {}, [], ('tool=weather {"city": "Ürümqi"}',))]
        for number, example in enumerate(examples):
            expected.append(ask(shell, simulator, example))
            text = shell.shell.user_ns["claude"].last.request(form)
            assert KEY[7:] not in text
            programs.append(tmp_path / f"example{number}.{ending}")
            programs[-1].write_text(text, "utf-8")
    finally:
        shell("del os.environ['ANTHROPIC_API_KEY']")
    asked = len(simulator.requests)
    run(programs, {**harmless_environment(), "ANTHROPIC_API_KEY": KEY, "NO_PROXY": "127.0.0.1"})
    again = simulator.requests[asked:]
    assert [request.body for request in again] == expected
    assert {request.headers["anthropic-version"] for request in again} == {"2023-06-01"}
    assert json.loads(json.dumps(expected))[-1]["temperature"] == 0.5


def test_show_matches_what_is_sent(shell: Cells, simulator: Simulator) -> None:
    for example in EXAMPLES.values():
        for plan in example.replies:
            simulator.faults.append(plan)
        shell("claude.reset()")
        *before, last = example.cells
        for cell in before:
            shell(cell)
        asked = len(simulator.requests)
        shell(last.replace("%%claude", "%%claude --show request -o shown", 1))
        assert len(simulator.requests) == asked
        shell(last)
        assert shell["shown"].body == body(simulator)
