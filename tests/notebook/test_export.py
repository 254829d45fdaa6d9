"""Exported conversations: readable, inert and without secrets."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from html.parser import HTMLParser
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import nbformat
import pytest
from markdown_it import MarkdownIt
from PIL import Image

from claude_magic import Document, tool
from claude_magic.conversation.conversation import Conversation
from claude_magic.conversation.conversation_environment import EXPORTERS
from claude_magic.messages.errors import BadInput
from claude_magic.notebook import restore
from claude_magic.notebook.export import export
from claude_magic.simulator import Simulator
from tests.conftest import KEY
from tests.hostile import FETCH, SNIPPETS

FORMATS = (".md", ".ipynb", ".html")


@tool
def draw(number: int = 1) -> list[object]:
    """Draw."""
    return [Image.new("RGB", (60, 30), "navy"), f"number {number}"]


@pytest.fixture
def talk(claude: Conversation) -> Conversation:
    claude.system = "Be <b>brief</b>."
    claude("Look at {{ this }}.\nsimulate: say=A **teal** picture, $x^2$.", Image.new("RGB", (300, 200), "teal"))
    claude('Draw.\nsimulate: think=20; tool=draw {"number": 3}\nsimulate: say=Drawn.', tools=[draw])
    claude("Read.\nsimulate: stop=max_tokens; say=Cut in the", Document(b"One.\nTwo."))
    return claude


class Page(HTMLParser):
    """What there is in a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words += data

    def check_inert(self) -> None:
        for tag, attributes in self.tags:
            assert tag not in {"script", "iframe", "object", "video", "svg", "link", "base", "form", "button"}
            assert not [name for name in attributes if name.startswith("on")]
            for name in ("src", "srcset", "poster", "data", "background", "action"):
                assert (attributes.get(name) or "data:").startswith("data:"), (tag, attributes)
            assert not re.match(r"(?!https?:|mailto:)[\w+.-]*:", attributes.get("href") or ""), attributes


def size(path: Path) -> tuple[int, int]:
    with Image.open(path) as image:
        return image.size


def test_markdown(talk: Conversation, tmp_path: Path) -> None:
    path = tmp_path / "talk.md"
    assert "Exported 3 turns" in repr(talk.export(path))
    text = path.read_text("utf-8")
    pictures = re.findall(r"!\[[^\]]*(?:\\\][^\]]*)*\]\(<([^>]+)>\)", text)
    sizes = [size(tmp_path / picture) for picture in pictures]
    assert sizes == [(300, 200), (60, 30)]
    assert len(list((tmp_path / "talk.md.files").iterdir())) == 2
    assert "A **teal** picture, $x^2$." in text
    assert "> Look at {{ this }}." in text
    assert text.count("*SIMULATED") == 3
    assert "not complete: max\\_tokens" in text
    assert "Be &lt;b>brief&lt;/b>." in text
    Page(MarkdownIt("commonmark", {"html": True}).render(re.sub(r"!\[[^\n]*", "", text))).check_inert()


def test_page(talk: Conversation, tmp_path: Path) -> None:
    path = tmp_path / "talk.html"
    talk.export(path)
    page = Page(path.read_text("utf-8"))
    page.check_inert()
    assert [tag for tag, _ in page.tags].count("img") == 2
    assert sum(attributes.get("class") == "question" for _, attributes in page.tags) == 3
    for words in ("Look at {{ this }}.", "Be <b>brief</b>.", "Drawn.", "not complete: max_tokens", "draw(number=3)"):
        assert words in page.words
    assert page.words.count("SIMULATED") == 3
    assert [path.name for path in tmp_path.iterdir()] == ["talk.html"]


def test_notebook(talk: Conversation, tmp_path: Path) -> None:
    path = tmp_path / "talk.ipynb"
    talk.export(path)
    document = nbformat.read(path, as_version=4)
    nbformat.validate(document)
    assert [cell.source for cell in document.cells[:3]] == [
        "# Conversation main with Claude",
        "%load_ext claude_magic",
        "claude.system = 'Be <b>brief</b>.'",
    ]
    questions = document.cells[3:]
    assert questions[0].source.startswith("%%claude --verbatim\n{value 1}\n\nLook at {{ this }}.")
    assert questions[1].source.startswith("%%claude\nDraw.")
    for cell in questions:
        [output] = cell.outputs
        assert output.metadata.claude_magic.simulated
        assert "SIMULATED" in output.data["text/markdown"]
        Page(output.data["text/markdown"]).check_inert()
    assert "not complete: max_tokens" in questions[2].outputs[0].data["text/plain"]
    assert path.stat().st_size < 30_000


def test_an_exported_notebook_can_be_restored(talk: Conversation, tmp_path: Path) -> None:
    path = tmp_path / "talk.ipynb"
    talk.export(path)
    other = Conversation()
    found = restore.restored(other.name, other.state, path)
    assert [turn.reply.text for turn in found.turns] == [turn.reply.text for turn in talk.turns]
    assert [turn.state for turn in found.turns] == [turn.state for turn in talk.turns]
    assert found.turns[1].prompt == talk.turns[1].prompt


def test_another_conversation_is_exported_with_its_name(claude: Conversation, tmp_path: Path) -> None:
    stats = claude["my stats"]
    stats("Mean?")
    stats.system = "x"
    stats.export(tmp_path / "talk.ipynb")
    document = nbformat.read(tmp_path / "talk.ipynb", as_version=4)
    assert document.cells[2].source == "claude['my stats'].system = 'x'"
    assert document.cells[3].source == "%%claude -c 'my stats'\nMean?"


@pytest.mark.parametrize("suffix", FORMATS)
def test_what_claude_wrote_is_inert(claude: Conversation, simulator: Simulator, tmp_path: Path, suffix: str) -> None:
    messages: list[dict[str, object]] = []
    for snippet in SNIPPETS:
        messages += [{"role": "user", "content": snippet}, {"role": "assistant", "content": snippet}]
    hostile = Conversation.from_messages(messages, system="\n".join(SNIPPETS))
    path = tmp_path / f"talk{suffix}"
    hostile.export(path)
    text = path.read_text("utf-8")
    if suffix == ".ipynb":
        outputs = [cell.outputs[0] for cell in nbformat.read(path, as_version=4).cells if cell.get("outputs")]
        assert len(outputs) == len(SNIPPETS)
        text = "\n\n".join(output.data["text/markdown"] for output in outputs)
    page = Page(text if suffix == ".html" else MarkdownIt("commonmark", {"html": True}).render(text))
    page.check_inert()
    assert not [attributes for _, attributes in page.tags if FETCH in (attributes.get("src") or "")]


@pytest.mark.parametrize("suffix", FORMATS)
def test_no_key_is_exported(claude: Conversation, simulator: Simulator, tmp_path: Path, suffix: str) -> None:
    simulator.faults.append("say=Your key looks like sk-ant-api03-0123456789abcdefghij.")
    claude("Say it.")
    claude.system = f"My key is {KEY}."
    path = tmp_path / f"talk{suffix}"
    claude.export(path)
    assert "sk-ant-api" not in path.read_text("utf-8")
    assert KEY[-20:] not in path.read_text("utf-8")


@pytest.mark.parametrize("suffix", FORMATS)
def test_an_empty_conversation(claude: Conversation, tmp_path: Path, suffix: str) -> None:
    claude.export(tmp_path / f"talk{suffix}")
    assert "Conversation main with Claude" in (tmp_path / f"talk{suffix}").read_text("utf-8")


@pytest.mark.parametrize("name", ["talk.pdf", "talk", "talk.docx", "talk.json"])
def test_other_formats_are_refused(claude: Conversation, tmp_path: Path, name: str) -> None:
    with pytest.raises(BadInput, match=r"exported as .md, .ipynb, .html") as caught:
        claude.export(tmp_path / name)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_where_nothing_can_be_written(talk: Conversation, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(BadInput, match="cannot be written"):
        talk.export(tmp_path / "file" / "talk.md")


def test_plain_python_finds_the_exporter_by_its_entry_point() -> None:
    assert [each.load() for each in entry_points(group=EXPORTERS)] == [export]


def test_it_works_without_ipython(tmp_path: Path) -> None:
    program = f"""
import sys
sys.modules["IPython"] = None
from claude_magic import Conversation, export
messages = [{{"role": "user", "content": "Hello"}}, {{"role": "assistant", "content": "Hi."}}]
claude = Conversation.from_messages(messages)
for suffix in {FORMATS!r}:
    print(claude.export({str(tmp_path)!r} + "/talk" + suffix))
"""
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.count("Exported 1 turn") == 3


def test_large_pictures_are_exported_as_sent(claude: Conversation, simulator: Simulator, tmp_path: Path) -> None:
    stream = io.BytesIO()
    Image.new("RGB", (5000, 100), "teal").save(stream, "PNG")
    claude("Look.", stream.getvalue())
    claude.export(tmp_path / "talk.md")
    [picture] = (tmp_path / "talk.md.files").iterdir()
    body: Any = simulator.requests[-1].body
    assert f"sent as {size(picture)[0]}x" in (tmp_path / "talk.md").read_text("utf-8")
    assert len(body["messages"][0]["content"][0]["source"]["data"]) == -(-picture.stat().st_size // 3) * 4
