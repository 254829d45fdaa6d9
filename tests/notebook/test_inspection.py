"""``--show``, ``--count`` and ``--doctor`` in a shell and in a kernel."""

from __future__ import annotations

import pytest

from claude_magic.messages import code_samples
from claude_magic.notebook.completion import Completer
from claude_magic.simulator import Simulator
from tests.conftest import KEY
from tests.conversation.wire import questions
from tests.notebook.conftest import Cells
from tests.notebook.kernels import Kernel


def displayed(cells: Cells, cell: str) -> str:
    """The one thing that a cell displays, as text."""
    [output] = cells(cell).outputs
    assert output.data["text/markdown"]
    text: str = output.data["text/plain"]
    return text


def test_show_sends_nothing_and_assigns_the_complete_program(cells: Cells, simulator: Simulator) -> None:
    shown = displayed(cells, "%%claude --show curl -o program\nWhat is {{ 6 * 7 }}?\nAnd `$HOME`?")
    assert shown.startswith("body=$(mktemp)\ncat > \"$body\" <<'REQUEST'\n{\n")
    assert '"content": "What is 42?\\nAnd `$HOME`?"' in shown
    assert cells["program"].strip() == shown.strip()
    assert simulator.requests == []
    assert "0 turns" in repr(cells["claude"])


def test_show_needs_no_key(bare: Cells, monkeypatch: pytest.MonkeyPatch) -> None:
    bare("%load_ext claude_magic")
    shown = displayed(bare, "%claude --show python Hello?")
    assert 'api_key=os.environ["ANTHROPIC_API_KEY"],' in shown
    assert "base_url" not in shown
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    assert KEY[7:] not in displayed(bare, "%claude --show python Hello?")
    assert displayed(bare, "%claude --show python Hello?") == shown


def test_count_shows_tokens_and_price(cells: Cells, simulator: Simulator) -> None:
    shown = cells("%%claude --count -o count\nHow many?").stdout
    assert shown.startswith(f"{cells['count'].tokens} input tokens for claude-sonnet-5-5, 0.00")
    assert shown.endswith("nothing is answered or billed.\n")
    assert 0 < cells["count"].tokens < 12
    assert [request.path for request in simulator.requests] == ["/v1/messages/count_tokens"]
    assert "0 turns" in repr(cells["claude"])


def test_completion_of_the_forms(cells: Cells) -> None:
    complete = Completer(cells.shell, {}).complete  # type: ignore[arg-type]
    assert complete("%%claude --show c", "c") == ["curl"]
    assert complete("%claude --show l", "l") == ["last"]
    assert complete("%claude --co", "--co") == ["--count"]
    assert set(complete("%claude --show ", "")) == {"request", *code_samples.FORMS, "last"}


def test_show_last_shows_request_and_response(cells: Cells, simulator: Simulator) -> None:
    assert "in 'main' yet" in cells.fail("%claude --show last")
    cells("%claude Hello, Claude")
    shown = displayed(cells, "%claude --show last")
    request, response = shown.split("\n\nResponse, ")
    assert request.startswith(f"Request\n\nPOST {simulator.url}/v1/messages\nx-api-key: $ANTHROPIC_API_KEY\n")
    assert '"content": "Hello, Claude"' in request
    assert "events\n\nHTTP 200\n" in response
    assert '{"type": "text", "text": "Hello!"}' in response
    simulator.faults.append("400; message=No, thanks.")
    cells.fail("%claude Another")
    shown = displayed(cells, "%claude --show last")
    assert "HTTP 400" in shown
    assert "No, thanks." in shown
    assert len(simulator.requests) == 2


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("%claude --show perl Hi", "needs one of request, curl, python, typescript, last, not 'perl'"),
        ("%claude --show", "FORM is missing"),
        ("%claude --show curl", "--show needs a question"),
        ("%claude --count", "--count needs a question"),
        ("%claude --show last Hi", "--show last takes no question"),
        ("%claude --doctor Hi", "--doctor takes no question"),
        ("%claude --doctor --new", "--new cannot be combined with --doctor"),
        ("%claude --doctor --show last", "--show cannot be combined with --doctor"),
        ("%claude --show last -m haiku", "--model cannot be combined with --show last"),
        ("%claude --show curl --count Hi", "--show and --count cannot be combined"),
        ("%%claude --show last\nHi", "--show last takes no question"),
        ("%%claude --doctor\nHi", "--doctor takes no question"),
    ],
)
def test_options_that_cannot_be_combined(cells: Cells, simulator: Simulator, line: str, said: str) -> None:
    assert said in cells.fail(line)
    assert simulator.requests == []


def test_the_doctor_looks_at_the_settings_of_the_kernel(cells: Cells, simulator: Simulator) -> None:
    lines = cells("%claude --doctor").stdout.splitlines()
    assert [line.split()[:2] for line in lines] == [
        ["ok", what] for what in ("versions", "key", "server", "model", "widgets")
    ]
    assert f"{simulator.url} answers" in lines[2]
    cells("claude.model = 'claude-sonnet-99'")
    assert "fail  model         claude-sonnet-99 is not known there. Try " in cells("%claude --doctor").stdout


@pytest.fixture
def kernel(new_kernel: Kernel) -> Kernel:
    new_kernel.run("%load_ext claude_magic", cell="load")
    return new_kernel


def seen(kernel: Kernel) -> list[str]:
    prompts: list[str] = kernel.value("[turn.prompt for turn in claude.turns]")
    return prompts


def test_a_cell_that_only_inspects_keeps_its_turn(kernel: Kernel, simulator: Simulator) -> None:
    for cell in "abc":
        kernel.run(f"%%claude\n{cell}", cell=cell)
    for look in ("--count", "--show request"):
        ran = kernel.run(f"%%claude {look}\nb, otherwise", cell="b")
        assert ran.status == "ok", ran.error
        assert seen(kernel) == ["a", "b", "c"]
    assert simulator.requests[-1].path == "/v1/messages/count_tokens"
    assert questions(simulator) == ["a", "b, otherwise"]
    kernel.run("%%claude\nB", cell="b")
    assert seen(kernel) == ["a", "B", "c"]
    kernel.run("claude.count('x'); claude('one'); claude.count('y'); claude('two')", cell="d")
    kernel.run("claude.count('x'); claude('ONE')", cell="d")
    assert seen(kernel) == ["a", "B", "c", "ONE"]


def test_programs_and_events_are_shown_as_code(kernel: Kernel) -> None:
    shown = kernel.run("%%claude --show python\nHi", cell="a").screen
    assert [markdown.partition("\n")[0] for markdown in shown.markdown] == ["```python"]
    kernel.run("%%claude\nHi", cell="a")
    for expression, language in (("request('curl')", "sh"), ("response", "http"), ("events", "text")):
        [markdown] = kernel.run(f"claude.last.{expression}", cell="b").screen.markdown
        assert markdown.startswith(f"```{language}\n")
    [markdown] = kernel.run("%claude --show last", cell="b").screen.markdown
    assert markdown.startswith("**Request**\n\n```http\nPOST ")
    assert "\n```\n\n**Response, " in markdown
