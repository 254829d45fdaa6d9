"""The notebooks of the repository, each executed in its own kernel with the simulator and without a key."""

from __future__ import annotations

import functools
import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

FOLDER = Path(__file__).parents[1] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
NOBODY = "http://127.0.0.1:9"
"""A proxy that never answers, so that a notebook cannot fetch anything."""
MEANT_TO_FAIL = "raises-exception"
PICTURE_SENT = re.compile(r"\((\d+x\d+)(?: of \d+x\d+)?(?: sent as (\d+x\d+))?[^()]* tokens\)")
PICTURE_RECEIVED = re.compile(r"(\d+) x (\d+) pixels")
TOOL_RESULT = re.compile(r"- \*\*Tool\*\*: `(\w+)` (returned|failed with) (.*)")
ASKS = re.compile(r"(%%claude\b|%claude )(?!.*--(show|count|doctor)\b)")
LARGEST = 250_000
"""The most characters of a notebook saved with its outputs."""


def environment(folder: Path) -> dict[str, str]:
    mine = {name: value for name, value in os.environ.items() if not name.startswith(("ANTHROPIC_", "JPY_"))}
    mine |= dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), NOBODY)
    mine |= dict.fromkeys(("NO_PROXY", "no_proxy"), "127.0.0.1,localhost")
    return mine | {"ANTHROPIC_BASE_URL": "simulator", "IPYTHONDIR": str(folder / "ipython")}


def execute(path: Path, folder: Path) -> Any:
    document = nbformat.read(path, as_version=4)
    client = NotebookClient(document, timeout=120, resources={"metadata": {"path": str(folder)}})
    client.execute(env=environment(folder))
    return document


@pytest.fixture(scope="module")
def executed_once(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], Any]:
    return functools.cache(lambda path: execute(path, tmp_path_factory.mktemp(path.stem)))


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def executed(request: pytest.FixtureRequest, executed_once: Callable[[Path], Any]) -> Any:
    """Each notebook, executed."""
    return executed_once(request.param)


def one(name: str) -> Any:
    """A fixture: one of the notebooks, executed."""
    return pytest.fixture(lambda executed_once: executed_once(FOLDER / f"{name}.ipynb"))


vision, tools, wire = one("vision"), one("tools"), one("what_goes_over_the_wire")


def code(document: Any) -> list[Any]:
    return [cell for cell in document.cells if cell.cell_type == "code"]


def questions(document: Any) -> list[Any]:
    return [cell for cell in code(document) if ASKS.match(cell.source)]


def cell_with(document: Any, words: str) -> Any:
    """The one code cell that contains these words."""
    [found] = [cell for cell in code(document) if words in cell.source]
    return found


def shown(document: Any, words: str) -> str:
    """The value of a cell's last expression, as text."""
    text: str = cell_with(document, words).outputs[-1].data["text/plain"]
    return text


def answer(cell: Any) -> str:
    markdown: str = cell.outputs[0].data["text/markdown"]
    return markdown


def sent(markdown: str) -> list[str]:
    first = markdown.partition("\n")[0]
    return [small or whole for whole, small in PICTURE_SENT.findall(first)] if first.startswith("*sent: ") else []


def received(markdown: str) -> list[str]:
    return [f"{width}x{height}" for width, height in PICTURE_RECEIVED.findall(markdown)]


def test_only_cells_that_are_meant_to_fail_do(executed: Any) -> None:
    nbformat.validate(executed)
    for cell in code(executed):
        assert cell.execution_count is not None, cell.source
        errors = [output for output in cell.outputs if output.output_type == "error"]
        assert len(errors) == (MEANT_TO_FAIL in cell.metadata.get("tags", ())), cell.source
        assert not any(output.get("name") == "stderr" for output in cell.outputs), cell.outputs


def test_each_question_has_one_answer_that_says_it_is_simulated(executed: Any) -> None:
    asked = questions(executed)
    assert asked
    for cell in asked:
        assert [set(output.data) for output in cell.outputs] == [{"text/markdown", "text/plain"}], cell.source
        about = cell.outputs[0].metadata.claude_magic
        assert about.simulated, cell.source
        assert about.complete, cell.source
        for text in cell.outputs[0].data.values():
            assert "SIMULATED · claude-" in text, cell.source


@pytest.mark.parametrize("name", ["quickstart", "vision"])
def test_the_simulator_received_the_sizes_that_the_sent_line_names(
    name: str, executed_once: Callable[[Path], Any]
) -> None:
    answers = [answer(cell) for cell in questions(executed_once(FOLDER / f"{name}.ipynb"))]
    assert any(sent(markdown) for markdown in answers)
    for markdown in answers:
        if "What was sent" in markdown:  # rather than an answer that the notebook told it to give
            assert received(markdown) == sent(markdown), markdown


def test_it_stays_small_when_it_is_saved(executed: Any) -> None:
    assert len(nbformat.writes(executed)) < LARGEST


def test_vision_sends_whole_cropped_and_small_pictures(vision: Any) -> None:
    assert [sent(answer(cell)) for cell in questions(vision)] == [
        ["600x400", "451x300"],
        ["500x260"],
        ["384x303"],
        ["384x79"],
        ["1000x872"],
        ["588x513"],
        ["600x400"],
        ["384x79"],
        [],
        [],
    ]


def test_vision_says_how_to_fix_an_array_names_the_error_and_draws_boxes(vision: Any) -> None:
    assert "Send smooth / 255." in cell_with(vision, "except ClaudeError").outputs[0].text
    [failed] = [cell for cell in code(vision) if MEANT_TO_FAIL in cell.metadata.get("tags", ())]
    assert f"the last error ({failed.outputs[-1].ename})" in answer(cell_with(vision, "%claude -e"))
    drawn = cell_with(vision, "show(annotate(")
    assert [set(output.data) for output in drawn.outputs] == [{"image/jpeg", "text/plain"}]
    assert shown(vision, "widths = found.frame").count("coin ") == 6
    documents = answer(questions(vision)[-1])
    assert "Brightness of two pictures" in documents
    assert "PDF" in documents


def test_tools_are_called_and_what_they_return_or_raise_goes_back(tools: Any) -> None:
    last_results = [TOOL_RESULT.findall(answer(cell)) for cell in questions(tools)]
    assert [[name for name, _, _ in results] for results in last_results] == [
        ["chart"],
        ["chart"],
        ["run_query"],
        ["price_level"],
        [],  # -t none
        [],  # an answer of a type
        ["sql"],
        ["dataframe_columns", "dataframe_describe"],
        ["run_query"],
    ]
    how = [how for results in last_results for _, how, _ in results]
    assert how == ["returned", "failed with", *["returned"] * 6]
    assert "ValueError: No prices of NOKIA since 1995" in last_results[1][0][2]
    assert "130.7" in last_results[3][0][2]


def test_tools_shows_the_figure_that_claude_looked_at(tools: Any) -> None:
    assert received(answer(questions(tools)[0])) == ["500x260"]
    assert "image/png" in cell_with(tools, "seen.tool_calls").outputs[0].data


def test_tools_keeps_every_call_with_its_error(tools: Any) -> None:
    assert re.findall(r"\): (\w+), ", shown(tools, "grown.tool_calls")) == ["failed", "done", "done"]
    assert shown(tools, "missed.tool_calls").startswith("[ValueError('No prices of NOKIA")
    [listed] = [cell for cell in code(tools) if cell.source == "claude.tools"]
    names = re.findall(r"^\w+(?=:)", listed.outputs[0].data["text/plain"], re.MULTILINE)
    assert names == ["chart", "run_query", "price_level"]


def test_tools_computes_with_a_typed_answer(tools: Any) -> None:
    assert [line.split()[1:] for line in shown(tools, "AS computed").splitlines()[1:]] == [
        ["AAPL", "56.9", "56.9"],
        ["XRX", "93.1", "92.1"],
    ]


def test_tools_deletes_nothing_and_stops_at_the_limit(tools: Any) -> None:
    refused = answer(cell_with(tools, "tools.sql(con)"))
    assert "QueryRefused" in refused
    assert shown(tools, "WHERE company = 'IBM'\")").split() == ["months", "0", "390"]
    assert "Claude was asked to conclude" in answer(questions(tools)[-1])


def test_wire_shows_the_request_that_is_then_sent(wire: Any) -> None:
    promised = cell_with(wire, "--show request").outputs[0].data["text/plain"]
    [kept] = [cell for cell in code(wire) if cell.source == "claude.last.request()"]
    assert kept.outputs[0].data["text/plain"] == promised
    assert '"content": "Explain what a p-value is in two sentences."' in promised
    assert "import anthropic" in cell_with(wire, "--show python").outputs[0].data["text/markdown"]


def test_wire_shows_the_events_of_the_answer_that_was_drawn(wire: Any) -> None:
    [events] = [cell for cell in code(wire) if cell.source == "claude.last.events"]
    lines = events.outputs[0].data["text/plain"].splitlines()
    assert lines[0].split()[2] == "message_start"
    assert lines[-1].split()[2] == "message_stop"
    printed = cell_with(wire, "pieces of text").outputs[0].text
    pieces, characters = map(int, re.findall(r"(\d+) (?:pieces|characters)", printed))
    assert 1 < pieces < characters
    first, last = map(float, re.findall(r"after ([\d.]+) s", printed))
    assert first <= last


def test_wire_shows_that_nothing_is_remembered_but_what_is_sent(wire: Any) -> None:
    roles = [line.split()[0] for line in cell_with(wire, "for message in").outputs[0].text.splitlines()]
    assert roles == ["user", "assistant", "user"]
    assert shown(wire, "len(claude.last.request()") == "1"
    first, second = json.loads(shown(wire, "usage.total_input for turn"))
    assert first < second


def test_wire_counts_with_the_formula_beside_it(wire: Any) -> None:
    line, said = cell_with(wire, "%%claude --count").outputs[0].text.splitlines()
    assert re.match(r"\d+ input tokens for claude-sonnet-5-5, [\d.]+ ¢", line)
    assert "nothing is answered or billed" in said
    assert "1 picture: 200 by the formula" in shown(wire, "claude.count(")


def test_wire_reads_the_text_from_the_cache(wire: Any) -> None:
    _, *rows = cell_with(wire, "read from it").outputs[0].text.splitlines()
    counts = [[int(number.replace(",", "")) for number in row.split()] for row in rows]
    assert [row[0] for row in counts] == [1, 2, 3]
    assert counts[0][3] == 0
    assert counts[2][3] > 0.9 * counts[2][1]


def test_wire_keeps_the_response_to_a_refused_request_and_ends_with_the_doctor(wire: Any) -> None:
    assert shown(wire, "claude-opus-0").startswith("HTTP 404\n")
    assert "not_found_error" in shown(wire, "claude-opus-0")
    lines = cell_with(wire, "--doctor").outputs[0].text.splitlines()
    assert {line.split()[0] for line in lines} == {"ok"}


def test_class_has_budgets_and_a_bill(executed_once: Callable[[Path], Any]) -> None:
    lesson = executed_once(FOLDER / "class.ipynb")
    assert "practice on this Jupyter server: simulated answers" in cell_with(lesson, "%load_ext").outputs[0].text
    refused = cell_with(lesson, "print(refused)").outputs[-1].text
    assert refused.startswith("Your budget of 1,000 tokens a day on this server is spent")
    assert "does not know the token" in cell_with(lesson, "token-of-somebody").outputs[-1].text
    address, bill = cell_with(lesson, "bill = ").outputs
    assert address.text.startswith("http://127.0.0.1:")
    assert [line.split()[1] for line in bill.data["text/plain"].splitlines()[1:]] == ["ada", "bob"]
    assert shown(lesson, "set(bobs.user)") == "{'bob'}"
    assert shown(lesson, "server.wait()") in ("0", "-15")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_repository_holds_no_outputs(path: Path) -> None:
    text = path.read_text("utf-8")
    document = json.loads(text)
    assert text == json.dumps(document, indent=1, ensure_ascii=False) + "\n"
    nbformat.validate(nbformat.from_dict(document))
    assert "sk-ant-" not in text
    for number, cell in enumerate(document["cells"]):
        assert cell["id"] == f"{path.stem}-{number:02}"
        if cell["cell_type"] == "code":
            assert cell["outputs"] == []
            assert cell["execution_count"] is None
