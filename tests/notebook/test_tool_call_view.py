"""Calls of tools: what is seen of them while they run and afterwards, and that nothing in them is alive."""

from __future__ import annotations

import io
import re
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from PIL import Image

from claude_magic.content.convert import to_parts
from claude_magic.content.parts import text_part
from claude_magic.engine.rendering import Opening
from claude_magic.messages.reply import Reply, ReplyUpdate
from claude_magic.messages.retry import Wait
from claude_magic.notebook.display import tool_call_view
from claude_magic.notebook.display.footer import metadata
from claude_magic.notebook.display.markdown import MarkdownRenderer
from claude_magic.notebook.display.reply_view import render_reply
from claude_magic.notebook.display.status import Status
from claude_magic.notebook.display.terminal import TextRenderer
from claude_magic.simulator import simulated_tools
from claude_magic.tools.calls import Call, run
from claude_magic.tools.definition import Tool
from tests.notebook.kernels import Kernel, Running, exported, shown
from tests.notebook.test_display import Page, ending, started

OPENING = Opening("claude-sonnet-5-5", (), "", False)
HOSTILE = (
    "</details></summary>\n\n<img src=//a.test/x onerror=1> ![x](//a.test/y) [z](//a.test) `c` ```` \r~~~ $m$ \\(n\\) "
    "**b** &lt;\n\n# h\n<script>1</script>\x1b[31m"
)


def add(a: int, b: int = 2) -> int:
    """Add two numbers."""
    print("adding")
    return a + b


def fails(region: str = "") -> None:
    """Never works."""
    raise LookupError(f"no such region: {region}")


def made(name: str, given: dict[str, Any], state: str = "done", told: str = "", **more: Any) -> Call:
    return Call(f"toolu_{name}", name, given, state=state, parts=(text_part(told),) if told else (), **more)


def ran(*functions: tuple[Any, dict[str, Any]], renderer: Any = None, **options: Any) -> list[Call]:
    """Calls that have really run, reported to a renderer."""
    found = [
        Call(f"toolu_{number}", function.__name__, given, tool=Tool(function, **options))
        for number, (function, given) in enumerate(functions)
    ]
    run(found, changed=renderer.update if renderer else lambda call: None, confirm=lambda call: "yes")
    return found


def message(*blocks: dict[str, Any], earlier: tuple[Reply, ...] = (), run: tuple[Call, ...] = ()) -> Reply:
    reply = Reply(earlier=earlier)
    reply.take({"content": [*blocks], "model": "claude-sonnet-5-5", "stop_reason": "end_turn"})
    reply.calls = run
    return reply


def text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}


def use(call: Call) -> dict[str, Any]:
    return {"type": "tool_use", "id": call.id, "name": call.name, "input": call.input}


def server_use(name: str, given: dict[str, Any], id: str = "srvtoolu_1") -> dict[str, Any]:
    return {"type": "server_tool_use", "id": id, "name": name, "input": given}


def result(name: str, content: Any, id: str = "srvtoolu_1") -> dict[str, Any]:
    return {"type": f"{name}_tool_result", "tool_use_id": id, "content": content}


def outside(markdown: str) -> str:
    """What is visible while everything is folded."""
    return re.sub(r"<details>.*?</details>", "", markdown, flags=re.DOTALL)


def draw(renderer: Any, reply: Reply) -> Reply:
    """Stream an answer, with calls that have already run, into a renderer."""
    renderer.start(OPENING)
    for number, one in enumerate(reply.messages):
        if number:
            renderer.update(ReplyUpdate("message", "", one.blocks[0]))
        again = Reply()
        content = [
            block.data if hasattr(block, "data") else (block.to_wire() or {"type": block.type}) for block in one.blocks
        ]
        for change in again.take({"content": content}):
            renderer.update(change)
        for call in one.calls:
            renderer.update(call)
    return reply


def answer() -> Reply:
    """Two messages with calls, and a last one."""
    first = made("add", {"a": 1}, told="3", seconds=0.24)
    second = made("fails", {"region": "x"}, "failed", "LookupError: no such region", is_error=True, seconds=12.0)
    one = message(text("Let me **see**."), use(first), use(second), run=(first, second))
    third = made("add", {"a": 2}, "refused", "Not run: the user said no.", is_error=True)
    two = message(text("Once more."), use(third), earlier=(one,), run=(third,))
    return message(text("So."), earlier=(one, two))


def test_the_finished_answer_shows_each_call_in_its_place() -> None:
    assert render_reply(answer()) == (
        "Let me **see**.\n\n"
        "<details><summary>add(a=1) · 0.2 s</summary>\n\n```\n3\n```\n\n</details>\n\n"
        "<details><summary>fails(region='x') · failed · 12 s</summary>\n\n"
        "```\nLookupError: no such region\n```\n\n</details>\n\n"
        "**fails** failed: LookupError: no such region\n\n"
        "Once more.\n\n"
        "<details><summary>add(a=2) · refused</summary>\n\n```\nNot run: the user said no.\n```\n\n</details>\n\n"
        "**add** refused: Not run: the user said no.\n\n"
        "So."
    )
    assert render_reply(answer(), plain=True) == (
        "Let me **see**.\n\n[add(a=1) → 0.2 s]\n[fails(region='x') failed: LookupError: no such region]\n\n"
        "Once more.\n\n[add(a=2) refused: Not run: the user said no.]\n\nSo."
    )


def test_a_terminal_shows_the_same() -> None:
    out = io.StringIO()
    renderer = TextRenderer("off", out)
    reply = draw(renderer, answer())
    renderer.finish(ending(reply))
    assert out.getvalue() == render_reply(reply, plain=True) + "\n\n"


def test_in_a_terminal_thinking_and_waits_have_their_own_lines() -> None:
    out = io.StringIO()
    renderer = TextRenderer("off", out)
    renderer.start(Opening("m", (), "", True))
    thinking = Reply()._start(0, {"type": "thinking"}).block
    renderer.update(Wait("overloaded", 2.0, 2))
    renderer.update(ReplyUpdate("thinking", "Hm.", thinking))
    renderer.update(made("add", {"a": 1}, told="3", seconds=0.2))
    renderer.update(Wait("overloaded", 2.0, 2))
    renderer.update(ReplyUpdate("thinking", "So.", thinking))
    renderer.update(ReplyUpdate("text", "Yes.", Reply()._start(0, text("")).block))
    assert out.getvalue() == (
        "[overloaded, again in 2 s]\nthinking: Hm.\n\n[add(a=1) → 0.2 s]\n[overloaded, again in 2 s]\n\n\n"
        "thinking: So.\n\nYes."
    )


@pytest.mark.parametrize("owns_cell", [True, False], ids=["own cell", "shared cell"])
def test_each_call_is_drawn_as_it_happens_and_once(owns_cell: bool) -> None:
    clock = [0.0]
    page, renderer = started(OPENING, owns_cell=owns_cell, style="off", clock=lambda: clock[0])
    block = Reply()._start(0, text("")).block
    renderer.update(ReplyUpdate("text", "Let me **see", block))
    coming = Reply()._start(1, {"type": "tool_use", "id": "toolu_add", "name": "add"})
    renderer.update(coming)
    page.wait_for("*add being called, 0 s*")
    call = made("add", {"a": 1}, "running")
    renderer.update(call)
    assert page.text == "Let me **see\n*add(a=1) running, 0 s*"  # in sight before the tool begins
    clock[0] = 3.2
    page.wait_for("*add(a=1) running, 3 s*")
    call.state, call.parts, call.seconds = "done", (text_part("3"),), 3.2
    renderer.update(call)
    page.wait_for("<summary>add(a=1) · 3.2 s</summary>\n\n```\n3\n```\n\n</details>\n*…*")
    clock[0] = 5.3
    page.wait_for("</details>\n*waiting, 2 s*")
    renderer.update(ReplyUpdate("text", "It is 3.", Reply()._start(0, text("")).block))
    page.wait_for("</details>\nIt is 3.")
    assert "waiting" not in page.text
    drawn = [one["data"].get("text/markdown", "") for one in page.messages]
    assert sum("<details>" in markdown for markdown in drawn) == 1
    reply = message(text("It is 3."), earlier=(message(text("Let me **see"), use(call), run=(call,)),))
    renderer.finish(ending(reply))
    assert page.text.strip() == render_reply(reply)
    assert (len(page.outputs) == 1) == owns_cell


def test_code_that_is_open_when_a_call_begins_is_closed() -> None:
    page = Page()
    call = made("add", {"a": 1}, told="3")
    reply = message(text("```python\nx = 1"), use(call), run=(call,))
    renderer = MarkdownRenderer(page, owns_cell=False, style="off")
    draw(renderer, reply)
    page.wait_for("</details>")
    seen = page.text
    renderer.finish(ending(reply))
    assert page.text.strip() == render_reply(reply)
    for markdown in (seen, render_reply(reply)):
        assert markdown.startswith("```python\nx = 1\n```\n")
        assert [token.type for token in MarkdownIt().parse(markdown)][:2] == ["fence", "html_block"]


def test_another_message_begins_a_paragraph() -> None:
    page, out = Page(), io.StringIO()
    thinking = {"type": "thinking", "thinking": "Hm.", "signature": "s"}
    reply = message(thinking, text("Two."), earlier=(message(text("One.")),))
    renderer = MarkdownRenderer(page, owns_cell=True)
    draw(renderer, reply)
    page.wait_for("One.\nTwo.")
    assert len(page.outputs) == 2
    renderer.finish(ending(reply))
    draw(TextRenderer("off", out), reply)
    assert out.getvalue() == "One.\n\nTwo."


def test_during_a_confirmation_all_earlier_text_is_shown_and_nothing_moves() -> None:
    page, renderer = started(OPENING)
    renderer.update(ReplyUpdate("text", "I delete it.", Reply()._start(0, text("")).block))
    renderer.update(made("delete", {"path": "a"}, "confirming"))
    assert page.text == "I delete it.\n*delete(path='a') waits for your yes*"
    drawn = len(page.messages)
    time.sleep(1.3)  # longer than seconds are shown to pass elsewhere
    assert len(page.messages) == drawn
    page.clear_output = None  # type: ignore[assignment, method-assign]  # what was asked and answered stays
    renderer.finish(ending(message(text("I delete it."))))


def test_only_some_of_many_running_calls_are_named() -> None:
    status = Status(lambda: 7.0)
    for number in range(50):
        status.call(str(number), f"add({number})", "running")
    assert status.markdown.splitlines() == [*(f"*add({n}) running, 0 s*  " for n in range(3)), "*and 47 more calls*"]
    assert status.counts_seconds
    for number in range(49):
        status.answered(str(number))
    assert status.markdown == "*add(49) running, 0 s*"
    status.end()
    assert status.markdown == ""


def test_the_call_to_confirm_is_the_one_named() -> None:
    status = Status(lambda: 7.0)
    status.call("1", "delete(1)", "confirming")
    status.call("2", "delete(2)", "confirming")
    assert status.markdown == "*delete(2) waits for your yes*"
    assert not status.counts_seconds
    status.call("1", "delete(1)", "running")
    assert status.markdown == "*delete(1) running, 0 s*"
    assert status.counts_seconds


def test_calls_that_ran() -> None:
    page, renderer = started(OPENING, style="off")
    found = ran(*[(add, {"a": number}) for number in range(49)], (fails, {"region": "Rome"}), renderer=renderer)
    page.wait_for("**fails** failed: LookupError: no such region: Rome")
    drawn = [one["data"].get("text/markdown", "") for one in page.messages]
    assert sum("<details>" in markdown for markdown in drawn) == 50
    assert len(drawn) <= 2 + 3 * 50
    assert sum(map(len, drawn)) < 50 * 500
    reply = message(*map(use, found), run=tuple(found))
    renderer.finish(ending(reply))
    final = page.text
    assert final.count("<details>") == 50
    assert "```\n3\n```\n\n*printed*\n\n```\nadding\n```" in final
    assert outside(final).strip() == "**fails** failed: LookupError: no such region: Rome"


def test_long_results_are_cut_and_counted() -> None:
    def long() -> str:
        """Much."""
        print("y" * 5000)
        return "x" * 1_000_000

    (call,) = ran((long, {}))
    markdown = render_reply(message(use(call), run=(call,)))
    assert len(markdown) < 2 * tool_call_view.LONGEST + 500
    assert markdown.count("x") >= tool_call_view.LONGEST
    assert "*… 38,025 more characters*" in markdown  # of what Claude was told
    assert "*… 3,001 more characters*" in markdown
    assert "**long**: 960,000 characters cut" in outside(markdown)
    big = made("add", {"a": "z" * 1_000_000, "k" * 1_000_000: 1}, told="3")
    assert len(render_reply(message(use(big), run=(big,)))) < tool_call_view.LONGEST + 1000
    assert len(tool_call_view.view_call(made("n" * 1_000_000, {})).plain) < 400


def test_arguments_too_long_for_the_title_are_in_the_details() -> None:
    query = "SELECT region, sum(amount)\nFROM sales\nGROUP BY region"
    call = made("run_query", {"sql": query, "limit": 5}, told="| a |")
    assert (
        f"</summary>\n\n*arguments*\n\n```\nsql = \n{query}\nlimit = 5\n```\n\n*result*\n\n```\n| a |\n```"
        in tool_call_view.view_call(call).markdown
    )
    odd = made("run_query", {}, "failed", "The arguments are no JSON object: {", is_error=True, invalid='{"sql": ')
    assert (
        'run_query(\'{"sql": \') · failed</summary>\n\n*arguments*\n\n```\n{"sql": \n```'
        in tool_call_view.view_call(odd).markdown
    )


def inert(markdown: str) -> list[str]:
    """Check that nothing but folding is alive; the kinds of blocks come back."""
    tokens = MarkdownIt("gfm-like", {"linkify": False}).parse(markdown)
    for token in tokens:
        if token.type == "html_block":
            assert set(re.findall(r"<[^>]*>", token.content)) <= {
                *("<details>", "</details>", "<summary>", "</summary>", "<span>", "</span>")
            }
            assert not re.search(r"[$\\]", token.content)
        for child in token.children or ():
            assert child.type in ("text", "text_special", "html_inline", "softbreak", *EMPHASIS), child
            assert child.type != "html_inline" or child.content in ("<span>", "</span>")
    return [token.type for token in tokens if token.type in ("html_block", "fence", "heading_open")]


EMPHASIS = ("strong_open", "strong_close", "em_open", "em_close")


@given(st.text(), st.text(), st.text(), st.sampled_from(["done", "failed", "stopped"]), st.booleans())
def test_a_call_is_inert_whatever_it_contains(name: str, key: str, value: str, state: str, hostile: bool) -> None:
    name, key, value = (HOSTILE + part if hostile else part for part in (name, key, value))
    notes = (value,) if value.strip() else ()
    call = made(name, {key: value}, state, value, is_error=state != "done", notes=notes, printed=value)
    call.parts += (text_part(f"Printed:\n{value}"),)
    markdown = tool_call_view.view_call(call).markdown
    assert set(inert(markdown)) <= {"html_block", "fence"}
    assert inert(markdown).count("html_block") == 2
    assert tool_call_view.view_call(call).plain.isprintable()
    status = Status(lambda: 0.0)
    status.call("1", tool_call_view.title(call), "running")
    assert inert(status.markdown) == []
    markdown.encode()  # no half of a character


@pytest.mark.parametrize(
    "name", ["web_search", "web_fetch", "bash_code_execution", "text_editor_code_execution", HOSTILE]
)
@pytest.mark.parametrize(
    "content",
    [
        [{"type": "web_search_result", "url": HOSTILE, "title": HOSTILE}, 7, {"url": None, "title": 7}],
        {"type": "web_fetch_result", "url": HOSTILE, "content": {"title": HOSTILE, "source": {"data": HOSTILE}}},
        {"type": "web_fetch_result", "url": 7, "content": HOSTILE},
        {"stdout": HOSTILE, "stderr": HOSTILE, "return_code": HOSTILE},
        {"content": HOSTILE, "file_type": "text"},
        {"type": "x_error", "error_code": HOSTILE},
        {"lines": [HOSTILE], "encrypted_stdout": "x" * 9},
        [HOSTILE, {"text": HOSTILE}],
        HOSTILE,
        None,
        7,
    ],
)
def test_a_server_result_is_inert_whatever_it_contains(name: str, content: Any) -> None:
    reply = message(server_use(name, {"query": HOSTILE}), result(name, content))
    assert inert(render_reply(reply)).count("html_block") == 2
    assert set(inert(render_reply(reply))) <= {"html_block", "fence"}


SEARCH = [
    {"type": "web_search_result", "url": "https://a.test/x?y=$1$", "title": "The *A*", "encrypted_content": "e"},
    {"type": "web_search_result", "url": "javascript:alert(1)", "title": "B", "encrypted_content": "e"},
]
OUTPUT = {"type": "code_execution_result", "stdout": "1\n", "stderr": "", "return_code": 0, "content": []}


@pytest.mark.parametrize(
    ("name", "content", "inside", "seen"),
    [
        ("web_search", SEARCH, "- The \\*A\\* <https://a.test/x?y=%241%24>\n- B javascript:alert(1)", ""),
        (
            "web_fetch",
            {
                "type": "web_fetch_result",
                "url": "https://a.test",
                "content": {"type": "document", "title": "T", "source": {"type": "text", "data": "Words."}},
            },
            "T <https://a.test>\n\n```\nWords.\n```",
            "",
        ),
        ("code_execution", OUTPUT, "```\n1\n```\n\nreturn code 0", ""),
        (
            "bash_code_execution",
            {**OUTPUT, "stderr": "no", "return_code": 2},
            "```\n1\n```\n\n*stderr*\n\n```\nno\n```\n\nreturn code 2",
            "**bash\\_code\\_execution** failed: return code 2",
        ),
        ("text_editor_code_execution", {"content": "a = 1", "num_lines": 1}, "```\na = 1\n```", ""),
        ("text_editor_code_execution", {"is_file_update": True}, '```\n{"is_file_update": true}\n```', ""),
    ],
)
def test_server_calls_are_shown_in_their_place(name: str, content: Any, inside: str, seen: str) -> None:
    page, out = Page(), io.StringIO()
    reply = message(text("First."), server_use(name, {"query": "q"}), result(name, content), text("Then."))
    fold = "\n\n".join(filter(None, [inside, "</details>", seen]))
    state = " · failed" if seen else ""
    assert render_reply(reply) == f"First.\n\n<details><summary>{name}(query='q'){state}</summary>\n\n{fold}\n\nThen."
    renderer = MarkdownRenderer(page, owns_cell=True, style="off")
    draw(renderer, reply)
    page.wait_for("Then.")
    assert page.text.replace("\n", "") == render_reply(reply).replace("\n", "")
    renderer.finish(ending(reply))
    draw(TextRenderer("off", out), reply)
    assert out.getvalue() == render_reply(reply, plain=True)


@pytest.mark.parametrize(
    ("name", "code"), [(name, code) for name, found in simulated_tools.ERRORS.items() for code in found]
)
def test_server_errors_are_visible_in_words(name: str, code: str) -> None:
    error = {"type": f"{name}_tool_result_error", "error_code": code}
    reply = message(server_use(name, {}), result(name, error))
    assert outside(render_reply(reply)).strip().replace("\\", "") == f"**{name}** failed: {code.replace('_', ' ')}"


def test_a_result_in_a_later_message_and_a_missing_result() -> None:
    paused = message(server_use("web_search", {"query": "q"}), server_use("web_fetch", {"url": "u"}, "srvtoolu_2"))
    reply = message(result("web_search", SEARCH), text("Then."), earlier=(paused,))
    assert render_reply(reply, plain=True) == (
        "[web_fetch(url='u') asked: nothing came back]\n\n[web_search(query='q') → done]\n\nThen."
    )
    page = Page()
    renderer = MarkdownRenderer(page, owns_cell=True)
    draw(renderer, paused)
    page.wait_for("web\\_search(query='q') running, 0 s")
    renderer.finish(ending(paused))


def test_a_late_stop_event_does_not_restart_a_call() -> None:
    (page, renderer), reply = started(OPENING), Reply()
    for index, block in enumerate((server_use("web_search", {"query": "q"}), result("web_search", SEARCH))):
        renderer.update(reply._start(index, block))
    for index in range(2):
        stop = reply._stop(index)
        assert stop is not None
        renderer.update(stop)
    renderer.update(made("add", {}, "running"))
    assert page.text.endswith("</details>\n*add() running, 0 s*")
    renderer.update(made("add", {}, told="3"))
    page.wait_for("add()</summary>")
    page.wait_for("*…*")
    renderer.finish(ending(reply))


def test_a_call_that_was_cut_off_is_left_out() -> None:
    reply = message(text("Let me see."), use(made("add", {"a": 1})))
    reply.blocks[-1].closed = False
    assert render_reply(reply) == "Let me see."


def test_a_call_that_is_not_run_is_reported() -> None:
    reply = message(text("Let me see."), use(made("get_weather", {"city": "Rome"})))
    assert render_reply(reply, plain=True) == "Let me see.\n\n[get_weather(city='Rome') asked: not run here]"


@pytest.mark.parametrize("keep", [True, False])
def test_result_thumbnails_are_shown_while_streaming_or_if_kept(keep: bool) -> None:
    call = made("plot", {}, told="Here:")
    call.parts += tuple(to_parts(Image.new("RGB", (800, 600), "teal"), "plot"))
    reply = message(use(call), run=(call,))
    page = Page()
    renderer = MarkdownRenderer(page, owns_cell=True, keep_images=keep)
    draw(renderer, reply)
    page.wait_for('<img src="data:image/jpeg;base64,')
    assert 'width="96" height="72"' in page.text
    renderer.finish(ending(reply))
    assert ("<img" in page.text) == keep
    assert ("picture 800x600" in page.text) != keep
    assert "picture 800x600" in render_reply(reply)


def test_the_metadata_lists_the_calls() -> None:
    assert metadata(ending(answer()))["claude_magic"]["calls"] == [
        {"name": "add", "state": "done", "seconds": 0.24},
        {"name": "fails", "state": "failed", "seconds": 12.0},
        {"name": "add", "state": "refused", "seconds": 0.0},
    ]
    assert "calls" not in metadata(ending(message(text("Yes."))))["claude_magic"]


SETUP = """
import time
from claude_magic import tool
from IPython.display import display
%load_ext claude_magic

def add(a: int, b: int = 2) -> int:
    "Adds."
    print("adding")
    return a + b

def fails(region: str = "") -> None:
    "Never works."
    raise LookupError(f"no such region: {region}")

def plot() -> str:
    "Plots."
    display("the plot")
    return "plotted"

@tool(confirm=True)
def delete(path: str) -> str:
    "Deletes."
    return "deleted"
"""


def test_in_a_kernel_the_saved_answer_contains_the_calls(kernel: Kernel) -> None:
    running = kernel.run(
        "%%claude --new -t add, fails\nGo on.\n"
        'simulate: tool=add {"a": 1}; tool=fails {"region": "x"}; say=Let me see.\nsimulate: say=It is 3.'
    )
    (output,) = running.screen.outputs
    assert set(output["data"]) == {"text/markdown", "text/plain"}
    markdown = shown(output).answer
    seconds = re.compile(r"\d+\.\d s")
    assert seconds.sub("N s", markdown) == (
        "Let me see.\n\n"
        "<details><summary>add(a=1) · N s</summary>\n\n```\n3\n```\n\n*printed*\n\n```\nadding\n```\n\n</details>\n\n"
        "<details><summary>fails(region='x') · failed · N s</summary>\n\n"
        "```\nLookupError: no such region: x\n```\n\n</details>\n\n"
        "**fails** failed: LookupError: no such region: x\n\nIt is 3."
    )
    listed = output["metadata"]["claude_magic"]["calls"]
    assert [(call["name"], call["state"]) for call in listed] == [("add", "done"), ("fails", "failed")]
    page = exported(output)
    details = re.findall(r"<details><summary>(.*?)</summary>(.*?)</details>", page, re.DOTALL)
    assert [seconds.sub("N s", summary) for summary, _ in details] == [
        "add(a=1) · N s",
        "fails(region='x') · failed · N s",
    ]
    assert "<strong>fails</strong> failed: LookupError" in page


def test_in_a_kernel_tool_output_stays(kernel: Kernel) -> None:
    running = kernel.run("%%claude --new -t plot\nGo on.\nsimulate: tool=plot; say=Look.\nsimulate: say=There it is.")
    there = [output for output in running.screen.outputs if output["data"]]
    assert [output["data"]["text/plain"] for output in there[1:]] == ["'the plot'"]
    assert shown(there[0]).answer.endswith("There it is.")


def test_in_a_kernel_fifty_calls_cost_bytes_in_proportion(kernel: Kernel) -> None:
    def size(count: int) -> int:
        plan = "; ".join(f'tool=add {{"a": {number}}}' for number in range(count))
        running = kernel.run(f"%%claude --new -t add\nGo on.\nsimulate: {plan}; say=Well.\nsimulate: say=Done.")
        (output,) = running.screen.outputs
        assert output["data"]["text/markdown"].count("<details>") == count
        return running.size

    assert size(50) < 2.3 * size(25)


def asked(kernel: Kernel, code: str, answer: str) -> Running:
    """Run a cell in a front end in which questions can be answered."""
    content = {"code": code, "silent": False, "store_history": True, "user_expressions": {}, "allow_stdin": True}
    request = kernel.client.session.msg("execute_request", {**content, "stop_on_error": True})
    kernel.client.shell_channel.send(request)
    running = Running(kernel, request["header"]["msg_id"])
    running.until(lambda screen: "waits for your yes" in "".join(screen.markdown))
    question = kernel.client.get_stdin_msg(timeout=10)
    assert question["content"]["prompt"] == "Run delete? [y]es / [n]o / [a]lways: "
    running.during(1.3)
    assert [one.kind for one in running.messages if one.at > time.monotonic() - 1] == []  # nothing moves meanwhile
    kernel.client.input(answer)
    return running.finish()


@pytest.mark.parametrize(
    ("said", "seen"), [("y", ""), ("n", "**delete** refused: Not run: delete has to be confirmed.")]
)
def test_in_a_kernel_the_user_is_asked_below_the_text(kernel: Kernel, said: str, seen: str) -> None:
    plan = 'simulate: tool=delete {"path": "a.txt"}; say=I delete it.\nsimulate: say=Well.'
    running = asked(kernel, f"%%claude --new -t delete\nGo on.\n{plan}", said)
    there = [output for output in running.screen.outputs if output.get("data") or output.get("text")]
    (output, printed) = there
    assert printed["text"] == "Claude wants to run delete:\n  path = 'a.txt'\n"
    assert shown(output).answer.startswith("I delete it.\n\n<details><summary>delete(path='a.txt')")
    assert outside(shown(output).answer).count(seen or "Well.") == 1


def test_a_notebook_file_with_calls_is_read_again(kernel: Kernel, tmp_path: Path) -> None:
    kernel.run("%%claude --new -t add -o reply\nGo on.\nsimulate: tool=add; say=Let me see.\nsimulate: say=Done.")
    later = kernel.run("reply")
    (output,) = later.screen.outputs
    assert output["data"]["text/markdown"].count("<details><summary>add(") == 1
