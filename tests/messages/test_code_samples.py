"""A request as a program: it says the same in every language, whatever is in it, and never a key."""

from __future__ import annotations

import ast
import json
import os
import subprocess
from typing import Any

import pexpect
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from claude_magic.messages.code_samples import FORMS, code_sample
from claude_magic.messages.errors import BadInput
from claude_magic.messages.exchange import OutgoingRequest, RequestBody
from tests.conftest import KEY
from tests.judges import require_judge

HOSTILE = (
    "$HOME `id` !! 'a' \"b\" \\ \x00\x1b[2J\x7f\x9b\u202e\u2028\U000e0001\ud7ff 你好 😀\n"
    "```\nREQUEST\nEOF\n*/ //\n${1+1}\r\n"
)
ENCODED = "iVBORw0KGgo" * 5000


def outgoing(base_url: str = "https://api.anthropic.com", betas: str = "", **fields: Any) -> OutgoingRequest:
    body = {"model": "claude-sonnet-5-5", "max_tokens": 10, "messages": [{"role": "user", "content": "Hi"}], **fields}
    headers = {"anthropic-version": "2023-06-01"} | ({"anthropic-beta": betas} if betas else {})
    return OutgoingRequest(base_url, headers, RequestBody([json.dumps(body, ensure_ascii=False).encode()]))


def in_shell(text: str) -> str:
    """What a shell makes of the here-document."""
    shown = subprocess.run(
        ["sh"], input=text.replace("curl --no-buffer", 'cat "$body"; : '), capture_output=True, check=True, text=True
    )
    assert not shown.stderr
    return shown.stdout


def in_python(text: str) -> dict[str, Any]:
    """The arguments of the call, without running it."""
    calls = (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call))
    create = next(call for call in calls if isinstance(call.func, ast.Attribute) and call.func.attr == "create")
    given = {keyword.arg: ast.literal_eval(keyword.value) for keyword in create.keywords if keyword.arg}
    extra: dict[str, Any] = given.pop("extra_body", {})
    return given | extra


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner),
    max_leaves=8,
)  # fmt: skip


@settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])
@given(values)
def test_every_form_says_the_same_whatever_is_in_it(value: Any) -> None:
    sent = outgoing(temperature=value)
    for form in FORMS:
        text = code_sample(form, sent)
        assert text.body == json.loads(bytes(sent.body))
        assert text.replace("\n", "").isprintable(), "nothing that a terminal obeys or a reader cannot see"
    assert in_python(code_sample("python", sent)) == text.body
    assert json.loads(code_sample("request", sent).partition("\n\n")[2]) == text.body
    literal = code_sample("typescript", sent).partition("messages.create(")[2]
    assert json.JSONDecoder().raw_decode(literal)[0] == text.body


def test_a_shell_sends_it_unchanged() -> None:
    sent = outgoing(system=HOSTILE, messages=[{"role": "user", "content": HOSTILE * 50}])
    assert json.loads(in_shell(code_sample("curl", sent))) == json.loads(bytes(sent.body))


def test_it_runs_when_it_is_pasted_into_a_shell() -> None:
    """History expansion, tabs and lines longer than a terminal's buffer are what a pasted program meets."""
    text = code_sample("curl", outgoing(system=HOSTILE, stop_sequences=[ENCODED[:9000]]))
    environment = {**os.environ, "PS1": "READY> ", "TERM": "dumb"}
    command = ["--norc", "--noprofile", "-i"]
    shell = pexpect.spawn(require_judge("bash"), command, env=environment, encoding="utf-8", timeout=60)
    try:
        shell.expect("READY> ")
        shell.send(text.replace("curl --no-buffer", 'cksum < "$body"; : ') + "echo DO''NE\n")
        shell.expect(r"\n(\d+ \d+)\r")
        assert shell.match is not None
        body = text.partition("REQUEST'\n")[2].partition("\nREQUEST\n")[0] + "\n"
        expected = subprocess.run(["cksum"], input=body.encode(), capture_output=True, check=True).stdout.decode()
        assert shell.match[1] == expected.strip()
        shell.expect("DONE")
    finally:
        shell.close(force=True)


@pytest.mark.parametrize("form", FORMS)
def test_server_version_and_betas_are_those_of_the_request(form: str) -> None:
    text = code_sample(form, outgoing("http://127.0.0.1:8017/it's $(here)", "one-2026-01-01,two-2026-02-02"))
    for said in ("2023-06-01", "one-2026-01-01,two-2026-02-02", "ANTHROPIC_API_KEY"):
        assert said in text
    if form == "curl":
        shown = in_shell(text.replace(": '", ": printf '<%s>' '"))
        assert "api.anthropic.com" not in text
        assert shown
    else:
        assert "http://127.0.0.1:8017/it's $(here)" in text


def test_the_address_is_quoted_for_the_shell(tmp_path: Any) -> None:
    text = code_sample("curl", outgoing(f"http://127.0.0.1:9/$(touch {tmp_path}/run)'`touch {tmp_path}/run`"))
    subprocess.run(["sh"], input=text.replace("curl", ":"), check=True, text=True)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("form", FORMS)
def test_no_key_is_in_it(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    text = code_sample(form, outgoing(system=f"The key is {KEY}.", metadata={KEY: KEY}))
    assert KEY[7:] not in text + text.short + repr(text.body)


def test_the_screen_shows_the_beginning_of_pictures_and_the_string_all(tmp_path: Any) -> None:
    source = {"type": "base64", "media_type": "image/png", "data": ENCODED}
    content = [{"type": "image", "source": source}]
    text = code_sample("python", outgoing(messages=[{"role": "user", "content": content}]))
    assert ENCODED in text
    assert len(repr(text)) < 1000
    assert "… (55,000 characters)" in repr(text)
    bundle = text._repr_mimebundle_()
    assert bundle["text/plain"] == repr(text)
    assert bundle["text/markdown"].startswith("```python\nimport os")
    (tmp_path / "ask.py").write_text(text)
    assert in_python((tmp_path / "ask.py").read_text()) == text.body


def test_a_fence_holds_whatever_is_in_it() -> None:
    markdown = code_sample("request", outgoing(system=HOSTILE))._repr_mimebundle_()["text/markdown"]
    fence = markdown.partition("http")[0]
    assert markdown.count(f"\n{fence}") == 1
    assert len(fence) == 4


def test_an_unknown_form_is_named() -> None:
    with pytest.raises(BadInput, match="as request, curl, python or typescript, not as 'perl'"):
        code_sample("perl", outgoing())
