"""``{{ expr }}``: its end is found, it is evaluated once, and the result is never evaluated."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from claude_magic.content.template import render, render_text
from claude_magic.content.values import Named, RemotePicture, Text
from claude_magic.messages.errors import BadInput
from claude_magic.notebook.expressions import attachments
from claude_magic.notebook.option_line import parse


def flat(parts: list[str | Named]) -> str:
    return "".join(part if isinstance(part, str) else str(part.value) for part in parts)


@pytest.mark.parametrize(
    ("source", "meant"),
    [
        ("no braces at all", "no braces at all"),
        ("{{ x }}", "5"),
        ("{{x}}{{x}}", "55"),
        ("a {{ x + 1 }} b", "a 6 b"),
        ("{{ {'a': x}['a'] }}", "5"),
        ("{{ {'a': {'b': x}} }}", "{'a': {'b': 5}}"),
        ("{{{'a': x}}}", "{'a': 5}"),
        ("{{ '}}' }}", "}}"),
        ("{{ f'{x}' }}", "5"),
        ("{{ [y for y in range(x) if y] }}", "[1, 2, 3, 4]"),
        ("{{ (\n x +\n 1) }}", "6"),
        ("{single} $x$ \\frac{a}{b} {'json': {}}", "{single} $x$ \\frac{a}{b} {'json': {}}"),
        ("}} alone", "}} alone"),
        ("{{ braces }}", "{{ x }}"),
        ("{{ text('a') }}", "Text(value='a')"),
    ],
)
def test_expressions_are_found_and_filled_in_once(source: str, meant: str) -> None:
    assert flat(render(source, {"x": 5, "braces": "{{ x }}"})) == meant


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("{{ nowhere }}", "{{ nowhere }}: NameError: name 'nowhere' is not defined"),
        ("{{ 1/0 }}", "{{ 1/0 }}: ZeroDivisionError: division by zero"),
        ("a\nb {{ x", "{{ on line 2 of the question is never closed"),
        ("{{ }}", "is not a Python expression"),
        ("{{ for x }}", "{{ for x }} on line 1 of the question is not a Python expression"),
        ("{{ x = 1 }}", "is not a Python expression"),
        ("{% raw %} {{ name|upper }}", "NameError"),
    ],
)
def test_invalid_expressions_stop_the_cell(source: str, said: str) -> None:
    with pytest.raises(BadInput) as caught:
        render(source, {"x": 1})
    assert said in str(caught.value)
    assert str(caught.value).endswith("Nothing was sent. To send braces as they are: --verbatim.")


def test_values_stay_values() -> None:
    picture = Image.new("RGB", (2, 2))
    assert render("see {{ picture }}!", {"picture": picture}) == ["see ", Named("picture", picture), "!"]


def test_the_users_own_names_come_first() -> None:
    assert flat(render("{{ text }} {{ Path }}", {"text": 1, "Path": 2})) == "1 2"


def test_an_expression_cannot_change_the_notebook() -> None:
    namespace = {"x": 1}
    render("{{ (x := 2) }}", namespace)
    assert namespace == {"x": 1}


def test_the_path_of_a_picture_as_a_string_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "a.png"
    file.write_bytes(b"")
    with pytest.raises(BadInput, match=r"is a string and would be sent as text. Use \{\{ Path\(name\) \}\}"):
        render("{{ name }}", {"name": str(file)})
    assert render("{{ text(name) }}", {"name": str(file)}) == [Named("text(name)", Text(str(file)))]
    assert render("{{ Path(name) }}", {"name": str(file)}) == [Named("Path(name)", file)]
    assert flat(render("{{ name }}", {"name": str(tmp_path / "missing.png")})) == str(tmp_path / "missing.png")


@given(st.text(alphabet=st.sampled_from("{}x '\"\n[]"), max_size=40))
def test_any_mixture_of_braces_is_either_filled_in_or_refused(source: str) -> None:
    try:
        parts = render(source, {"x": "value"})
    except BadInput as error:
        assert "--verbatim" in str(error)
    else:
        words = "".join(part for part in parts if isinstance(part, str))
        assert "{{" not in words
        assert source.startswith(words[:1]) or isinstance(parts[0], Named)


@given(st.text(max_size=60).filter(lambda text: "{{" not in text))
def test_text_without_double_braces_is_untouched(source: str) -> None:
    assert flat(render(source, {})) == source


@given(st.text(max_size=40), st.text(alphabet="ab {", max_size=8), st.text(alphabet="ab }", max_size=8))
def test_what_was_put_in_is_not_looked_at_again(value: str, before: str, after: str) -> None:
    before, after = before.rstrip("{"), after.lstrip("}")
    if "{{" in before or "{{" in after:
        return
    assert flat(render(f"{before}{{{{ value }}}}{after}", {"value": value})) == before + value + after


def test_options_take_text_alone() -> None:
    assert render_text("be {{ how }}", {"how": "brief"}) == "be brief"
    with pytest.raises(BadInput, match="an option takes text"):
        render_text("{{ how }}", {"how": [1]})


def attached(line: str, namespace: dict[str, object]) -> list[Named]:
    return [named for word in parse(line, question_follows=False).attach for named in attachments(word, namespace)]


def test_an_attachment_is_an_address_a_variable_a_file_or_an_expression(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("my picture.png").touch()
    Path("b.png").touch()
    a, c = object(), object()
    namespace = {"a": a, "c": [c], "name": "b.png", "url": "https://example.com/x.png"}
    assert attached("-i a", namespace) == [Named("a", a)]
    assert attached("-i c[0]", namespace) == [Named("c[0]", c)]
    assert attached("-i {{ c[0] }}", namespace) == [Named("c[0]", c)]
    assert attached("-i a, c[0]", namespace) == [Named("a", a), Named("c[0]", c)]
    addresses = attached("-i https://x.org/a.png, https://y.org/b.png", namespace)
    assert [n.value for n in addresses] == [RemotePicture(f"https://{at}") for at in ("x.org/a.png", "y.org/b.png")]
    assert attached("-i b.png", namespace) == [Named("b.png", Path("b.png"))]
    assert attached("-i 'my picture.png'", namespace) == [Named("my picture.png", Path("my picture.png"))]
    assert attached("-i name", namespace) == [Named("name", Path("b.png"))]
    assert attached("-i url", namespace) == [Named("url", RemotePicture("https://example.com/x.png"))]
    assert attached("-i data:image/png;base64,AAAA", {})[0].value == RemotePicture("data:image/png;base64,AAAA")


@pytest.mark.parametrize("line", ["-i nothing", "-i nothing.png", "-i 'no such file.png'", "-i a,", "-i missing, a"])
def test_an_unknown_attachment_is_refused(line: str) -> None:
    with pytest.raises(BadInput):
        attached(line, {})
