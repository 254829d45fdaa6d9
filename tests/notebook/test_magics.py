"""The magics in a real shell."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest
from IPython.core.completer import provisionalcompleter

from claude_magic.conversation.conversation import Conversation
from claude_magic.engine.settings import Settings
from claude_magic.notebook import question_mark
from claude_magic.notebook.magics import ClaudeMagics
from claude_magic.notebook.option_line import OPTIONS
from claude_magic.simulator import Simulator
from tests.conftest import KEY
from tests.conversation.wire import answers, body, questions
from tests.notebook.conftest import Cells


def test_the_load_line_shows_model_price_and_source_of_the_key(bare: Cells, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    assert bare("%load_ext claude_magic").stdout == (
        "Claude: claude-sonnet-5-5 ($2 in, $10 out per million tokens), key from ANTHROPIC_API_KEY. "
        "%claude shows help.\n"
    )


def test_loading_keeps_a_variable_of_the_users(bare: Cells) -> None:
    bare("claude = 'mine'")
    shown = bare("%load_ext claude_magic").stdout
    assert "Your variable claude is kept" in shown
    assert bare["claude"] == "mine"
    bare("%unload_ext claude_magic")
    assert bare["claude"] == "mine"


def test_reloading_keeps_the_conversation_and_unloading_leaves_nothing(cells: Cells, simulator: Simulator) -> None:
    cells("%claude one")
    cells("%reload_ext claude_magic")
    cells("%claude two")
    assert questions(simulator) == ["one", "two"]
    shell = cells.shell
    cells("%unload_ext claude_magic")
    assert "claude" not in cells
    assert "not found" in cells.fail("%%claude\nhello")
    assert "ClaudeMagics" not in [type(configurable).__name__ for configurable in shell.configurables]
    assert not [hook for hook in shell.input_transformers_cleanup if "claude" in hook.__module__]
    assert not [hook for hook in shell.events.callbacks["pre_run_cell"] if "claude" in repr(hook)]
    assert "%claude" not in shell.Completer.custom_completers.strs


def test_a_question_and_its_answer(cells: Cells, simulator: Simulator) -> None:
    shown = cells("%%claude -o reply\nHello, Claude")
    assert shown.stdout.startswith("Hello!")
    assert "SIMULATED · claude-sonnet-5-5 · turn 1 of 1 · 12 in + 6 out" in shown.stdout
    assert cells["reply"].text == "Hello!"
    assert questions(simulator) == ["Hello, Claude"]


def test_the_variable_is_unbound_when_there_is_no_answer(cells: Cells, simulator: Simulator) -> None:
    cells("%%claude -o reply\nHello, Claude")
    simulator.faults.append("fault=529")
    cells.fail("%%claude -o reply\nHello again")
    assert "reply" not in cells
    cells("reply = 'stale'")
    cells.fail("%%claude -o reply\n{{ undefined }}")
    assert "reply" not in cells
    simulator.faults.append("deltas=50; fault=cut; after=30")
    cells.fail("%%claude -o reply\nHello again")
    assert not cells["reply"].complete
    assert cells["reply"].text


def test_dollars_and_braces_in_the_option_line_are_not_ipythons(cells: Cells, simulator: Simulator) -> None:
    cells("name = 'secret'")
    cells("%%claude -s 'costs $name {name}'\nHi $name {name} {{ name }}")
    assert body(simulator)["system"] == "costs $name {name}"
    assert questions(simulator) == ["Hi $name {name} secret"]


def test_verbatim_sends_braces(cells: Cells, simulator: Simulator) -> None:
    cells("%%claude --verbatim\n{{ name }} {{")
    assert questions(simulator) == ["{{ name }} {{"]


@pytest.mark.parametrize(
    "question", ["What is this?", "what's this?", "is 1 < 2?", 'say "hi"?', "a -m b?", "%who?", "what???", "x = %y?"]
)
def test_one_line_is_untouched_with_its_question_mark(cells: Cells, simulator: Simulator, question: str) -> None:
    cells(f"%claude {question}")
    assert questions(simulator) == [question]


def test_a_question_mark_inside_a_string_is_not_a_question(cells: Cells, simulator: Simulator) -> None:
    cells('x = """\n%claude what is this?\n"""')
    assert cells["x"] == "\n%claude what is this?\n"
    cells("%%capture out\n%claude really?")
    assert questions(simulator)[-1] == "really?"


def test_a_question_may_be_timed_assigned_and_go_on(cells: Cells, simulator: Simulator) -> None:
    cells("%time %claude is this ok?")
    cells("x = %claude is that ok?")
    cells("%claude What \\\nmore?\ny = 5")
    assert questions(simulator) == ["is this ok?", "is that ok?", "What  more?"]
    assert cells["y"] == 5


def test_a_long_cell_is_parsed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = []
    original = question_mark._statements

    def counted(lines: list[str]) -> set[int]:
        looks.append(1)
        return original(lines)

    monkeypatch.setattr(question_mark, "_statements", counted)
    lines = [f"x{number} = {number}\n" for number in range(500)]
    assert question_mark.transform([*lines, "%claude really?\n"])[-1].startswith("get_ipython().run_line_magic(")
    assert looks == [1]


@pytest.mark.parametrize("asked", ["%claude?", "%%claude?", "?%claude"])
def test_help_begins_with_examples_and_names_every_option(cells: Cells, simulator: Simulator, asked: str) -> None:
    shown = cells(asked)
    text = shown.stdout + "".join(str(output.data) for output in shown.outputs)
    payload = cells.shell.payload_manager.read_payload()
    text += "".join(str(item) for item in payload)
    assert text.index("%%claude\\nExplain" if "\\n" in text else "%%claude\nExplain") < text.index("--effort LEVEL")
    assert all(option.long in text for option in OPTIONS)
    assert not simulator.requests


def test_the_card(cells: Cells, simulator: Simulator) -> None:
    cells("%claude hello")
    text = cells("%claude").outputs[0].data["text/plain"]
    assert "claude-sonnet-5-5" in text
    assert "main, 1 turn" in text
    assert "spent" in text
    assert len(simulator.requests) == 1


def test_settings_without_a_question(cells: Cells, simulator: Simulator) -> None:
    assert cells("%claude -m opus -s 'Be brief.'").stdout == (
        "main: asks claude-opus-5-5, system prompt 'Be brief.'.\n"
    )
    cells("%claude hello")
    assert body(simulator)["model"] == "claude-opus-5-5"
    assert body(simulator)["system"] == "Be brief."
    cells("%claude --new -s ''")
    cells("%claude again")
    assert questions(simulator) == ["again"]
    assert "system" not in body(simulator)
    assert "--once needs a question" in cells.fail("%claude --once")


def test_options_reach_the_request(cells: Cells, simulator: Simulator) -> None:
    cells("name = 'Bob'")
    cells(
        "%%claude -m claude-haiku-4-5 --max-tokens 50 --stop 'THE {{ name }}' \\\n"
        "  --temperature 0.5 --top-k 3 --prefill 'Hm, {{ name }} '\nHi"
    )
    sent = body(simulator)
    assert (sent["model"], sent["max_tokens"], sent["stop_sequences"]) == ("claude-haiku-4-5", 50, ["THE Bob"])
    assert (sent["temperature"], sent["top_k"]) == (0.5, 3)
    assert sent["messages"] == [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hm, Bob"}]


def test_chats_are_separate(cells: Cells, simulator: Simulator) -> None:
    cells("%%claude -c stats\none")
    cells("%claude two")
    assert questions(simulator) == ["two"]
    cells("claude['stats']('three')")
    assert questions(simulator) == ["one", "three"]


def test_attachments_come_before_the_text(cells: Cells, simulator: Simulator, tmp_path: Path) -> None:
    cells("from PIL import Image\nred = Image.new('RGB', (60, 40), 'red')")
    cells(f"red.save({str(tmp_path / 'red.png')!r})")
    shown = cells(f"%%claude -i red -i {tmp_path / 'red.png'}\nWhat is it?")
    kinds = [block["type"] for block in body(simulator)["messages"][0]["content"]]
    assert kinds == ["text", "image", "text", "image", "text"]
    assert body(simulator)["messages"][0]["content"][0]["text"] == "Picture 1 (red):"
    assert shown.stdout.startswith(f"sent: red (60x40, 6 tokens), {tmp_path / 'red.png'} (60x40, 6 tokens)")


def test_what_an_expression_prints_is_shown(cells: Cells) -> None:
    cells("def noisy():\n    print('working')\n    return 5")
    assert cells("%%claude\nIs {{ noisy() }} odd?").stdout.startswith("working\n")


def test_a_reply_shows_as_its_footer_where_it_was_streamed_and_in_full_later(cells: Cells) -> None:
    shown = cells("reply = claude('Hello, Claude')\nreply")
    assert shown.stdout.count("Hello!") == 1
    assert "turn 1 of 1" in shown.stdout.splitlines()[-1]
    with_text = cells("reply").stdout
    assert "Hello!" in with_text
    assert "(SIMULATED)" in with_text


def test_a_cut_reply_never_looks_finished(cells: Cells, simulator: Simulator) -> None:
    simulator.faults.append("stop=max_tokens; say=Half an")
    cells("%%claude -o reply\nHi")
    assert "(SIMULATED · not complete: max_tokens)" in cells("reply").stdout
    data, _ = cells.shell.display_formatter.format(cells["reply"])
    assert data["text/markdown"].endswith("not complete: max\\_tokens*")


def test_a_question_may_use_the_variable_it_replaces(cells: Cells, simulator: Simulator) -> None:
    cells("%%claude -o draft\nHello, Claude")
    cells("%%claude -o draft\nImprove: {{ draft.text }}")
    assert questions(simulator)[-1] == "Improve: Hello!"
    cells.fail("%%claude -o draft\n{{ nope }}")
    assert "draft" not in cells


def test_expressions_in_option_values(cells: Cells, simulator: Simulator) -> None:
    cells("model, most, chat = 'haiku', 50, 'stats'")
    cells("%%claude -m {{ model }} --max-tokens {{ most }} -c {{ chat }}\nHi")
    assert (body(simulator)["model"], body(simulator)["max_tokens"]) == ("claude-haiku-5-5", 50)
    assert list(cells["claude"].home) == ["main", "stats"]
    assert "NameError" in cells.fail("%claude --new -m opus -s '{{ undefined }}'")
    assert cells["claude"].model == "claude-sonnet-5-5"


def test_stopped_while_a_value_is_computed_nothing_is_sent(cells: Cells, simulator: Simulator) -> None:
    cells("def stop():\n    print('working')\n    raise KeyboardInterrupt")
    shown = cells.fail("%%claude\n{{ stop() }}")
    assert "working" in shown
    assert "Interrupted: Stopped; nothing was sent." in shown
    assert not simulator.requests


def test_a_key_in_an_error_is_masked(cells: Cells, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    shown = cells.fail("%%claude\n{{ {}[__import__('os').environ['ANTHROPIC_API_KEY']] }}")
    assert "sk-ant-…" in shown
    assert KEY[12:] not in shown


def test_errors_and_the_sent_line_stay_on_one_line(cells: Cells) -> None:
    assert len(cells.fail("%%claude\n{{ (\n1 /\n0) }}").splitlines()) == 1
    cells("def fail():\n    raise ValueError('a\\nb' + 'x' * 5000)")
    shown = cells.fail("%%claude\n{{ fail() }}")
    assert len(shown.splitlines()) == 1
    assert len(shown) < 600


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("%claude --ma", "--max-tokens"),
        ("%%claude -m ha", "haiku"),
        ("%%claude --effort hi", "high"),
        ("%%claude -c st", "stats"),
        ("%%claude -i some_va", "some_variable"),
    ],
)
def test_completion(cells: Cells, line: str, offered: str) -> None:
    cells("some_variable = 1")
    cells("%claude -c stats hello")
    with provisionalcompleter():
        texts = {completion.text for completion in cells.shell.Completer.completions(line, len(line))}
    assert offered in texts


def bad_inputs(tmp_path: Path) -> list[tuple[str, str]]:
    (tmp_path / "text.png").write_text("no picture")
    (tmp_path / "empty.png").touch()
    return [
        ("%%claude -x\nHi", "unknown option -x"),
        ("%%claude please\nHi", "stray word 'please'"),
        ("%%claude\n{{ nope }}", "name 'nope' is not defined"),
        ("%%claude\n{{ 1/0 }}", "ZeroDivisionError"),
        ("%%claude\n{{ open", "never closed"),
        ("%%claude\n{{ object() }}", "cannot be shown to a model"),
        ("%%claude\n{{ print }}", "cannot be shown to a model"),
        (f"%%claude\n{{{{ Path({str(tmp_path / 'gone.png')!r}) }}}}", "There is no file"),
        (f"%%claude -i {tmp_path / 'text.png'}\nHi", "is not an image"),
        (f"%%claude -i {tmp_path / 'empty.png'}\nHi", "is empty"),
        (f"%%claude -i {tmp_path}\nHi", "is a folder"),
        ("%%claude -i ftp://example.com/x.png\nHi", "only http(s) and data: URLs"),
        ("%%claude -i data:image/png;base64,!!!\nHi", "base64"),
        (f"%%claude\nmy key is {KEY}", "API key; nothing was sent"),
        ("%%claude --effort huge\nHi", "--effort"),
        ("%%claude --prefill x\nHi", "--prefill"),
        ("%%claude\n   \n", "empty"),
    ]


def test_bad_input_is_one_line_and_nothing_is_sent(cells: Cells, simulator: Simulator, tmp_path: Path) -> None:
    cells("%claude first")
    for cell, said in bad_inputs(tmp_path):
        shown = cells.fail(cell)
        lines = [line for line in shown.splitlines() if "will be in the saved file" not in line]
        assert said in shown
        assert len(lines) == 1, shown
    assert len(simulator.requests) == 1
    assert len(cells["claude"].turns) == 1


def test_what_the_server_refuses_is_one_line_too(cells: Cells, simulator: Simulator) -> None:
    assert cells.fail("%%claude -m claude-sonet-5-5\nHi").startswith("NotFound: model: claude-sonet-5-5 (404")
    simulator.keys = {"another"}
    assert "Check the key, or run claude.login()" in cells.fail("%claude hi")
    cells("%config ClaudeMagics.base_url = 'http://127.0.0.1:9'")
    assert "Cannot connect to http://127.0.0.1:9" in cells.fail("%claude hi")
    cells("%config ClaudeMagics.base_url = 'nonsense'")
    assert "base_url must begin with http:// or https://" in cells.fail("%claude hi")
    assert len(cells["claude"].turns) == 0


def test_without_a_key_the_error_names_three_solutions(bare: Cells) -> None:
    assert "claude.login() asks for one" in bare("%load_ext claude_magic").stdout
    shown = bare.fail("%%claude\nHi")
    assert shown.startswith("NoCredentials: No API key. Run claude.login()")
    assert "'simulator'" in shown
    assert len(shown.splitlines()) == 1


def test_from_python_an_error_names_the_place(cells: Cells, simulator: Simulator) -> None:
    simulator.faults.append("fault=529; times=2")
    lines = cells.fail("def ask():\n    return claude('Hi')\nask()").splitlines()
    assert lines[0].startswith("Overloaded: ")
    assert lines[1].strip().endswith("line 2, in ask")
    assert "Cell" in lines[1]
    assert lines[2].strip() == "return claude('Hi')"
    assert len(lines) == 3
    assert "conversation.py" in cells("%tb").stdout


def test_a_key_in_a_cell_gets_one_warning(cells: Cells) -> None:
    shown = cells(f"key = '{KEY}'")
    assert shown.stderr.count("will be in the saved file") == 1
    assert KEY not in shown.stderr


def test_the_built_in_simulator_starts_on_request_and_gets_no_real_key(
    bare: Cells, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    bare("%load_ext claude_magic")
    bare("%config ClaudeMagics.base_url = 'simulator'")
    shown = bare("%claude Hello, Claude")
    assert "SIMULATED" in shown.stdout
    magics = bare.shell.magics_manager.registry["ClaudeMagics"]
    simulator = magics.environment._simulator
    assert KEY not in repr([vars(request) for request in simulator.requests])
    assert simulator.requests[0].headers.get("x-api-key") == "***"
    bare("%unload_ext claude_magic")
    assert magics.environment._simulator is None


def test_traits_refuse_nonsense_and_reach_the_settings(cells: Cells, simulator: Simulator) -> None:
    cells("%config ClaudeMagics.max_tokens = 77")
    cells("%config ClaudeMagics.model = 'haiku'")
    cells("%claude hi")
    assert (body(simulator)["max_tokens"], body(simulator)["model"]) == (77, "claude-haiku-5-5")
    magics = cells.shell.magics_manager.registry["ClaudeMagics"]
    for name, value in (("max_tokens", 0), ("rerun", "sometimes"), ("footer", 3), ("display", "holo")):
        before = getattr(magics, name)
        cells(f"%config ClaudeMagics.{name} = {value!r}")  # IPython logs what is wrong with it
        assert getattr(magics, name) == before
    cells("%config ClaudeMagics.footer = 'off'")
    assert cells("%claude Hello, Claude").stdout.strip().endswith("(SIMULATED)")


def test_every_setting_is_a_trait_with_the_same_default() -> None:
    traits = ClaudeMagics.class_traits(config=True)
    for field in dataclasses.fields(Settings):
        if field.name not in ("model", "base_url"):  # the environment may set these
            assert traits[field.name].default() == getattr(Settings(), field.name)
    assert {field.name for field in dataclasses.fields(Settings)} <= traits.keys()


def test_the_claude_object_is_a_conversation(cells: Cells) -> None:
    assert isinstance(cells["claude"], Conversation)
    cells("claude('Hello, Claude')\nclaude('And you?')")
    assert [turn.prompt for turn in cells["claude"].turns] == ["Hello, Claude", "And you?"]
    cells("del claude.turns[0]")
    assert len(cells["claude"].turns) == 1
    assert "deletion" in cells("claude.undo()").stdout


def test_answers_reach_the_next_question(cells: Cells, simulator: Simulator) -> None:
    cells("%%claude -o first\nHello, Claude")
    cells("%%claude\nand?")
    assert answers(simulator) == [cells["first"].text]


def test_a_config_file_sets_traits(make_shell: Callable[[], Cells]) -> None:
    cells = make_shell()
    cells.shell.config.ClaudeMagics.model = "opus"
    assert "claude-opus-5-5" in cells("%load_ext claude_magic").stdout
