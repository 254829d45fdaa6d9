"""A conversation outlives its kernel: what is loaded goes on as if it had never been away."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image

from claude_magic import Document, Picture, tool
from claude_magic.conversation import persistence
from claude_magic.conversation.conversation import Conversation, Conversations
from claude_magic.conversation.saving import folder
from claude_magic.conversation.saving.folder import attachment_folder
from claude_magic.engine.settings import Settings
from claude_magic.messages.credentials import Credentials
from claude_magic.messages.errors import BadInput, ClaudeError
from claude_magic.simulator import Simulator, start
from tests.conftest import KEY
from tests.content.test_pdf import pdf
from tests.conversation.conftest import Notebook
from tests.conversation.wire import body, thinks
from tests.images import encoded

THINK = "Explain and compare why this is so, please, at some length: "


def noise(width: int, height: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(1).integers(0, 255, (height, width, 3), np.uint8))


def photograph() -> bytes:
    """Rotated by its EXIF data, which also holds something private."""
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010E] = "taken at home"
    return encoded(noise(1700, 900), "JPEG", exif=exif)


def transparent() -> bytes:
    image = Image.new("P", (1700, 300), 0)
    image.putpalette([220, 20, 20, 20, 40, 230])
    image.paste(1, (900, 0, 1700, 300))
    return encoded(image, "GIF", transparency=0)


PHOTOGRAPH = photograph()
VALUES: dict[str, Callable[[], list[object]]] = {
    "no value": list,
    "variable": lambda: [noise(1700, 600)],
    "graphic": lambda: [Image.new("RGBA", (1800, 40), (9, 9, 200, 100))],
    "photograph": lambda: [PHOTOGRAPH],
    "part of it": lambda: [Picture(PHOTOGRAPH, crop=(10, 10, 700, 1700), label="edge", detail="low")],
    "palette": lambda: [transparent()],
    "16 bits": lambda: [encoded(Image.fromarray(np.full((40, 1800), 40000, np.uint16)), "TIFF")],
    "CMYK": lambda: [encoded(Image.new("RGB", (1800, 40), "orange").convert("CMYK"), "TIFF")],
    "bitmap": lambda: [encoded(noise(1700, 60), "BMP")],
    "PDF": lambda: [pdf(2)],
    "text": lambda: [Document(b"One.\nTwo.\n")],
    "table": lambda: [pd.DataFrame({"a": [1, 2], "b": ["x", None]})],
}


@tool
def draw(number: int = 1) -> list[object]:
    """Draw."""
    return [noise(1650, 30), f"number {number}"]


class World:
    """A notebook, a kernel and a server of their own."""

    def __init__(self, simulator: Simulator, folder: Path) -> None:
        self.simulator = simulator
        self._folder = folder
        self._kernels = 0
        self.begin()

    def begin(self) -> None:
        """A new kernel."""
        self._kernels += 1
        self.notebook = Notebook()
        self.notebook.executions = 1000 * self._kernels
        self.home = Conversations(Settings(base_url=self.simulator.url, max_retries=0), self.notebook)
        self.home.credentials.set_key("any")
        self.notebook.home = self.home
        self.claude = self.home.open("main")

    def reload(self) -> None:
        """Save, end the kernel, and load in another."""
        self.claude.save(self._folder / "talk.json")
        self.home.close()
        self.begin()
        self.claude.load(self._folder / "talk.json")

    def cell(self, name: str, *questions: Callable[[Conversation], object], deleted: str = "") -> None:
        self.notebook.run(name, set(deleted))
        for question in questions:
            with contextlib.suppress(ClaudeError):
                question(self.claude)
        self.notebook.end()

    @property
    def sent(self) -> list[bytes]:
        return [request.raw for request in self.simulator.requests if request.path == "/v1/messages"]


Step = Callable[[World], object]


def asked(words: str, value: str, model: str | None) -> Callable[[Conversation], object]:
    return lambda claude: claude(words, *VALUES[value](), model=model)


def calls(claude: Conversation) -> object:
    return claude('Draw.\nsimulate: think=20; tool=draw {"number": 3}\nsimulate: say=Done.', tools=[draw])


def cut(claude: Conversation) -> object:
    return claude("Say it.\nsimulate: think=20; say=One two three four five six.; fault=cut; after=3")


def searches(claude: Conversation) -> object:
    return claude("Search.\nsimulate: tool=web_search", tools=["web_search"])


def quietly(step: Callable[[Conversation], object]) -> Step:
    def run(world: World) -> None:
        with contextlib.suppress(ClaudeError, IndexError):
            step(world.claude)

    return run


def forgets(number: int) -> Step:
    def forget(claude: Conversation) -> None:
        del claude.turns[number]

    return quietly(forget)


def prompts(text: str) -> Step:
    def change(claude: Conversation) -> None:
        claude.system = text

    return quietly(change)


def plain(cell: str) -> Step:
    return lambda world: world.cell(cell, asked(THINK, "no value", None))


CELL = st.sampled_from("ABC")
QUESTION = st.one_of(
    st.builds(
        asked,
        st.sampled_from([THINK, "Half of a \ud83d pair", "Short."]),
        st.sampled_from([*VALUES]),
        st.sampled_from([None, None, "haiku", "opus"]),
    ),
    st.sampled_from([calls, cut, searches]),
)
STEP: st.SearchStrategy[Step] = st.one_of(
    st.builds(
        lambda cell, question: lambda world: world.cell(cell, *question),
        CELL,
        st.lists(QUESTION, min_size=1, max_size=2),
    ),
    st.builds(lambda cell, gone: lambda world: world.cell(cell, deleted=gone), st.just("X"), CELL),
    st.just(quietly(lambda claude: claude.undo())),
    st.just(quietly(lambda claude: claude.redo())),
    st.just(quietly(lambda claude: claude.reset())),
    st.builds(forgets, st.integers(0, 3)),
    st.builds(prompts, st.sampled_from(["Be brief.", ""])),
)
RELOAD = "reload"


@pytest.fixture(scope="module")
def pair() -> Iterator[tuple[Simulator, Simulator]]:
    with start() as one, start() as other:
        yield one, other


@pytest.mark.slow
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.lists(st.one_of(STEP, STEP, STEP, st.just(RELOAD)), min_size=2, max_size=9))
@example([*(plain(cell) for cell in "ABC"), RELOAD, quietly(lambda claude: claude.undo()), RELOAD, plain("D")])
@example([*(plain(cell) for cell in "AB"), lambda world: world.cell("X", deleted="A"), RELOAD, plain("A")])
@example([lambda world: world.cell("A", calls, searches), RELOAD, lambda world: world.cell("A", cut), RELOAD])
@example(
    [step for value in VALUES for step in (lambda world, v=value: world.cell(v, asked(THINK, v, "haiku")), RELOAD)]
)
def test_saving_changes_no_byte_that_is_sent_later(pair: tuple[Simulator, Simulator], steps: list[Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        one, other = (World(simulator, Path(folder)) for simulator in pair)
        begun = len(one.sent)
        assert len(other.sent) == begun
        try:
            for step in [*steps, RELOAD, lambda world: world.cell("Z", asked("And now?", "no value", None))]:
                if step == RELOAD:
                    other.reload()
                    continue
                step(one)
                step(other)
            assert one.sent[begun:] == other.sent[begun:]
            assert repr(one.claude) == repr(other.claude)
            assert thinks(one.simulator) == thinks(other.simulator)
        finally:
            one.home.close()
            other.home.close()


# -- what is in the file -------------------------------------------------------------------------


def another(claude: Conversation) -> Conversations:
    """The conversations of another kernel, with the same server."""
    return Conversations(claude.home.settings, Notebook())


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "talk.json"


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


def attachments(path: Path) -> list[str]:
    return names(attachment_folder(path))


def everything(path: Path) -> bytes:
    folder = attachment_folder(path)
    return path.read_bytes() + b"".join(file.read_bytes() for file in (folder.iterdir() if folder.exists() else ()))


def test_no_key_is_saved(claude: Conversation, simulator: Simulator, path: Path) -> None:
    simulator.faults.append("say=Your key looks like sk-ant-api03-0123456789abcdefghij, I believe.")
    claude("Say it.")
    claude.system = f"My key is {KEY}."
    said = claude.save(path)
    assert "API key" in repr(said)
    assert b"sk-ant" not in everything(path)
    assert KEY[-20:].encode() not in everything(path)
    assert "looks like ***, I believe." in Conversation.load(path).turns[0].reply.text


def test_a_key_of_another_kind_is_not_saved_either(simulator: Simulator, path: Path) -> None:
    secret = "proxy-token-of-no-known-form"
    environ = {"ANTHROPIC_AUTH_TOKEN": "the-one-before-it"}
    home = Conversations(Settings(base_url=simulator.url), credentials=Credentials(environ))
    claude = home.open("main")
    claude(f"Is {secret} a good password?")
    environ["ANTHROPIC_AUTH_TOKEN"] = secret
    claude.save(path)
    assert secret.encode() not in everything(path)
    home.close()


def test_metadata_of_pictures_is_not_saved(claude: Conversation, path: Path) -> None:
    claude("Look.", PHOTOGRAPH)
    assert b"taken at home" in PHOTOGRAPH
    claude.save(path)
    assert b"taken at home" not in everything(path)


def test_pictures_lie_beside_by_their_content_each_once(claude: Conversation, path: Path) -> None:
    claude("Look.", noise(50, 40))
    claude("Again.", noise(50, 40))
    claude.save(path)
    [name] = attachments(path)
    data = (attachment_folder(path) / name).read_bytes()
    assert name == f"{hashlib.sha256(data).hexdigest()}.png" or name.endswith(".jpg")
    assert hashlib.sha256(data).hexdigest() == name[:64]
    assert len(path.read_bytes()) < 20_000


def test_what_was_forgotten_is_kept_to_be_undone_or_not_at_all(claude: Conversation, path: Path) -> None:
    claude("A secret.", noise(50, 40))
    claude("Harmless.\nsimulate: say=Yes.")
    del claude.turns[0]
    claude.save(path)
    assert b"A secret." in everything(path)
    loaded = Conversation.load(path)
    loaded.undo()
    assert len(loaded.turns) == 2
    claude.save(path, undo=False)
    assert b"A secret." not in everything(path)
    assert attachments(path) == []
    with pytest.raises(BadInput, match="nothing to undo"):
        Conversation.load(path).undo()


def test_loading_into_a_conversation_can_be_undone(claude: Conversation, path: Path) -> None:
    claude("Old.")
    claude.save(path)
    claude.reset()
    claude("New.")
    assert "Loaded 1 turn" in repr(claude.load(path))
    assert [turn.prompt for turn in claude.turns] == ["Old."]
    assert "Old." in repr(claude.undo())  # what the file's own journal knows
    assert "loading" in repr(claude.undo())
    assert [turn.prompt for turn in claude.turns] == ["New."]


def test_a_turn_keeps_its_cell(claude: Conversation, notebook: Notebook, path: Path) -> None:
    for cell in "AB":
        notebook.ask(claude, cell, cell)
    claude.save(path)
    claude.reset()
    claude.load(path)
    notebook.ask(claude, "A", "again")
    assert [turn.prompt for turn in claude.turns] == ["again", "B"]
    assert "Replaced your question" in notebook.recorder.ending.notices[0]


def test_replies_come_back_as_data(claude: Conversation, path: Path) -> None:
    claude('Go.\nsimulate: tool=draw {"number": 3}\nsimulate: say=Done.', tools=[draw])
    claude.save(path)
    loaded = Conversation.load(path, home=another(claude))
    before, after = claude.turns[0].reply, loaded.turns[0].reply
    assert loaded.last is after
    for name in ("text", "model", "usage", "cost", "stop_reason", "simulated", "sent", "seconds", "id"):
        assert getattr(after, name) == getattr(before, name), name
    [call] = after.tool_calls
    assert (call.name, call.state, call.input, call.value) == ("draw", "done", {"number": 3}, None)
    assert [part.wire["type"] for part in call.parts] == ["image", "text"]


def test_a_loaded_tool_has_no_function_until_given_one(claude: Conversation, simulator: Simulator, path: Path) -> None:
    claude("Go.\nsimulate: tool=draw\nsimulate: say=Done.", tools=[draw])
    claude.save(path)
    home = another(claude)
    loaded = home.open("main")
    assert "-t draw" in repr(loaded.load(path))
    assert "definition only" in repr(loaded.tools["draw"])
    loaded("Go.\nsimulate: tool=draw\nsimulate: say=Done.")
    [result] = body(simulator)["messages"][-1]["content"]
    assert result["is_error"]
    assert "cannot be run: the conversation was loaded from a file" in result["content"]
    loaded("Go.\nsimulate: tool=draw\nsimulate: say=Done.", tools=[draw])
    assert "is_error" not in body(simulator)["messages"][-1]["content"][0]
    assert body(simulator)["tools"] == body(simulator, 0)["tools"]
    home.close()


def test_uploaded_files_stay_where_they_lie(claude: Conversation, simulator: Simulator, path: Path) -> None:
    file = claude.files.upload(pdf(1))
    claude("Read.", file)
    claude.save(path)
    home = another(claude)
    loaded = home.open("main")
    assert f"1 uploaded file by id: {file.id}" in repr(loaded.load(path))
    loaded("And now?")
    assert file.id in json.dumps(body(simulator))
    home.close()


# -- files that are not what they should be ------------------------------------------------------


@pytest.fixture
def saved(claude: Conversation, path: Path) -> Path:
    claude("Look.", noise(50, 40))
    claude('Go.\nsimulate: think=20; tool=draw {"number": 3}\nsimulate: say=Done.', tools=[draw])
    claude.save(path)
    return path


def refused(path: Path, match: str) -> None:
    claude = Conversation()
    before = claude.state
    with pytest.raises(BadInput, match=match) as caught:
        claude.load(path)
    assert claude.state is before
    assert "\n" not in str(caught.value)
    assert "Nothing was loaded" in str(caught.value) or "There is no file" in str(caught.value)


def change(path: Path, edit: Callable[[Any], object]) -> None:
    document = json.loads(path.read_text())
    edit(document)
    path.write_text(json.dumps(document))


@pytest.mark.parametrize(
    ("text", "match"),
    [
        (b"", "not valid JSON"),
        (b"\x00\xff", "not valid JSON"),
        (b"[" * 100_000, "not valid JSON"),
        (b'{"a": 1', "its end is missing"),
        (b"[]", "not a saved conversation"),
        (b'{"cells": []}', "not a saved conversation"),
        (b'{"format": "claude_magic conversation", "version": true}', "version is missing"),
        (b'{"format": "claude_magic conversation", "version": 1}', "damaged: name"),
        (b'{"format": "claude_magic conversation", "version": 7}', "format version 7.*pip install -U"),
    ],
)
def test_what_is_no_saved_conversation_is_refused(path: Path, text: bytes, match: str) -> None:
    path.write_bytes(text)
    refused(path, match)


def test_a_file_that_is_not_there(path: Path) -> None:
    refused(path, "There is no file")


def test_a_file_cut_anywhere_is_refused(saved: Path) -> None:
    whole = saved.read_bytes()
    for length in range(0, len(whole) - 2, 97):
        saved.write_bytes(whole[:length])
        refused(saved, "not a saved conversation")


def use(loaded: Conversation, path: Path) -> None:
    """All that one does with a conversation."""
    assert repr(loaded) + repr(loaded.tools) + repr(loaded.last)
    with contextlib.suppress(BadInput):
        loaded.to_messages()
        loaded.save(path.with_name("again.json"))
        loaded.export(path.with_name("talk.md"))
        loaded.export(path.with_name("talk.html"))
        del loaded.tools["draw"]
    with contextlib.suppress(BadInput):
        while True:
            loaded.undo()


@pytest.mark.slow
@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_whatever_stands_in_a_file_it_is_loaded_or_refused_in_one_line(saved: Path, data: st.DataObject) -> None:
    """Some value somewhere in the file is another one."""
    document = json.loads(saved.read_text())
    places: list[tuple[Any, Any]] = []

    def walk(value: Any) -> None:
        items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        for key, inner in items:
            places.append((value, key))
            walk(inner)

    walk(document)
    holder, key = data.draw(st.sampled_from(places))
    odd: list[Any] = [None, True, -1, 0, 10**9, 2.5, "", "odd", [], {}, [{}], {"type": "odd"}, "../../etc/passwd"]
    holder[key] = data.draw(st.sampled_from(odd))
    other = saved.with_name("other.json")
    other.write_text(json.dumps(document))
    folder = attachment_folder(other)
    folder.mkdir(exist_ok=True)
    for file in attachment_folder(saved).iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    try:
        loaded = Conversation.load(other)
    except BadInput as error:
        assert "\n" not in str(error)
    else:
        use(loaded, other)


def test_an_older_version_is_read(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The mechanism: this version plays the one that comes after it."""

    def migrated(document: dict[str, Any]) -> dict[str, Any]:
        return {**document, "name": document.pop("title")}

    change(saved, lambda document: document.update(title=document.pop("name") + " of old"))
    monkeypatch.setattr(persistence, "VERSION", 2)
    monkeypatch.setitem(persistence.MIGRATIONS, 1, migrated)
    assert Conversation.load(saved).name == "main of old"


def test_every_older_version_has_its_migration() -> None:
    assert sorted(persistence.MIGRATIONS) == list(range(1, persistence.VERSION))


def picture(document: Any) -> Any:
    return next(part for part in document["turns"][0]["messages"][0]["parts"] if part["kind"] == "picture")


def test_pictures_that_are_missing_or_others_are_refused(saved: Path) -> None:
    folder = attachment_folder(saved)
    name = attachments(saved)[0]
    data = (folder / name).read_bytes()
    (folder / name).write_bytes(data[:-1] + b"?")
    refused(saved, "does not match")
    (folder / name).unlink()
    refused(saved, "is missing.*talk.json")


@pytest.mark.parametrize("name", ["../talk.json", "/etc/passwd", "a/../../b", "0" * 64 + "/../x", "..", ""])
def test_names_lead_nowhere_else(saved: Path, name: str) -> None:
    change(saved, lambda document: picture(document)["pixels"].update(file=name))
    refused(saved, "damaged")


def test_links_are_not_followed(saved: Path, tmp_path: Path) -> None:
    folder = attachment_folder(saved)
    elsewhere = tmp_path / "elsewhere"
    folder.rename(elsewhere)
    folder.symlink_to(elsewhere)
    refused(saved, "not an attachment")
    with pytest.raises(BadInput, match="link"):
        Conversation().save(saved)
    folder.unlink()
    folder.mkdir()
    for file in elsewhere.iterdir():
        (folder / file.name).symlink_to(file)
    refused(saved, "cannot be read")


def test_pipes_and_folders_are_not_read(path: Path) -> None:
    os.mkfifo(path)
    refused(path, "cannot be read")
    path.unlink()
    path.mkdir()
    refused(path, "cannot be read")


def test_sizes_are_bounded(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(folder, "MAX_FILE_BYTES", 1000)
        refused(saved, "larger than")
    with monkeypatch.context() as patch:
        patch.setattr(folder, "MAX_TOTAL_BYTES", 1000)
        refused(saved, "larger than")


@pytest.mark.parametrize("box", [[0, 0, 10**6, 10**6], [0, 0, 0, 0], [-1, 0, 5, 5], [9, 9, 3, 3]])
def test_a_picture_that_would_take_all_memory_is_refused(saved: Path, box: list[int]) -> None:
    change(saved, lambda document: picture(document).update(box=box))
    refused(saved, "damaged")


# -- writing -------------------------------------------------------------------------------------

_FULL = """
import resource, signal, sys
from PIL import Image
from claude_magic import Conversation
from claude_magic.messages.errors import BadInput
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
path, most = sys.argv[1], int(sys.argv[2])
claude = Conversation.load(path)
claude.system = "Words that are new. " * 1000
resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
try:
    claude.save(path)
except BadInput as error:
    print(error)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGXFSZ"), reason="this system bounds no files")
@pytest.mark.parametrize("most", [0, 100, 3000])
def test_on_a_full_disk_the_old_file_survives(saved: Path, most: int) -> None:
    before = everything(saved), attachments(saved), names(saved.parent)
    run = subprocess.run(
        [sys.executable, "-c", _FULL, str(saved), str(most)], capture_output=True, text=True, check=True
    )
    assert "cannot be written: File too large. The existing file is unchanged." in run.stdout
    assert before == (everything(saved), attachments(saved), names(saved.parent))
    assert len(Conversation.load(saved).turns) == 2


def test_where_nothing_can_be_written(claude: Conversation, tmp_path: Path) -> None:
    claude("Look.", noise(50, 40))
    (tmp_path / "file").write_text("in the way")
    (tmp_path / "folder.json").mkdir()
    for where in (tmp_path / "file" / "talk.json", tmp_path / "nowhere" / "talk.json", tmp_path / "folder.json"):
        with pytest.raises(BadInput, match="cannot be written") as caught:
            claude.save(where)
        assert "\n" not in str(caught.value)
    assert (tmp_path / "file").read_text() == "in the way"
    for what in (claude.save, claude.load):
        with pytest.raises(BadInput, match="File name too long"):
            what(tmp_path / ("x" * 300 + ".json"))
    for odd in ("", 3, None, b"talk.json", "\0"):
        with pytest.raises(BadInput, match="path"):
            claude.save(odd)  # type: ignore[arg-type]


def test_an_interrupted_save_leaves_nothing(saved: Path, claude: Conversation, monkeypatch: pytest.MonkeyPatch) -> None:
    before = everything(saved), attachments(saved)

    def stopped(descriptor: int) -> None:
        raise KeyboardInterrupt

    claude("More.", noise(60, 40))
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", stopped)
        with pytest.raises(KeyboardInterrupt):
            claude.save(saved)
    assert (everything(saved), attachments(saved)) == before
    assert names(saved.parent) == ["talk.json", "talk.json.files"]


def test_no_python_of_pydantic_runs_where_an_interrupt_would_be_another_error(claude: Conversation, path: Path) -> None:
    from claude_magic.conversation.saving import schema

    claude("Hi \ud83d!\nsimulate: say=Hello.")
    claude.save(path)
    saved = schema.SavedFile.model_validate(json.loads(path.read_bytes()))
    called: list[str] = []
    before = sys.getprofile()
    sys.setprofile(lambda frame, event, _: called.append(frame.f_code.co_name) if event == "call" else None)
    dumped = saved.model_dump()
    sys.setprofile(before)
    assert "<lambda>" not in called
    assert dumped["turns"][0]["prompt"].startswith("Hi \ud83d!")


def test_what_is_no_longer_needed_is_removed_and_nothing_else(claude: Conversation, path: Path) -> None:
    claude("Look.", noise(50, 40))
    claude.save(path)
    first = attachments(path)
    (attachment_folder(path) / "mine.png").write_bytes(b"of the user")
    claude.reset()
    claude("Look.", noise(60, 40))
    claude.save(path, undo=False)
    second = attachments(path)
    assert "mine.png" in second
    assert not set(first) & set(second)
    assert len(second) == 2


def test_nothing_is_removed_while_another_kernel_saves_or_loads(claude: Conversation, path: Path) -> None:
    claude("Look.", noise(50, 40))
    claude.save(path)
    first = attachments(path)
    claude.reset()
    with folder.Reader(path).lock():
        claude.save(path, undo=False)
        assert attachments(path) == first
    claude.save(path, undo=False)
    assert attachments(path) == []


_SAVES = """
import sys
from PIL import Image
from claude_magic import Conversation
path, colour = sys.argv[1:]
data = []
claude = Conversation.from_messages([])
for number in range(30):
    import base64, io
    stream = io.BytesIO()
    Image.new("RGB", (40 + number, 40), colour).save(stream, "PNG")
    source = {"type": "base64", "media_type": "image/png", "data": base64.b64encode(stream.getvalue()).decode()}
    messages = [{"role": "user", "content": [{"type": "image", "source": source}, {"type": "text", "text": colour}]},
                {"role": "assistant", "content": str(number)}]
    Conversation.from_messages(messages).save(path)
    assert len(Conversation.load(path).turns) == 1
"""


@pytest.mark.slow
def test_two_kernels_that_save_to_one_path_do_not_break_each_other(path: Path) -> None:
    colours = ("red", "blue")
    kernels = [subprocess.Popen([sys.executable, "-c", _SAVES, str(path), colour]) for colour in colours]
    assert [kernel.wait(120) for kernel in kernels] == [0, 0]
    loaded = Conversation.load(path)
    assert loaded.turns[0].reply.text == "29"
    assert sum(name.endswith(".png") for name in attachments(path)) in (1, 2)
    assert not [name for name in names(path.parent) if name.endswith(".tmp")]


def test_a_link_to_a_file_stays_one(saved: Path, claude: Conversation, tmp_path: Path) -> None:
    link = tmp_path / "link.json"
    link.symlink_to(saved)
    claude("More.")
    claude.save(link)
    assert link.is_symlink()
    assert len(Conversation.load(saved).turns) == len(Conversation.load(link).turns) == 3


def test_a_name_that_is_taken_is_not_lost_by_loading(saved: Path, claude: Conversation) -> None:
    with pytest.raises(BadInput, match="already is a conversation 'main'"):
        Conversation.load(saved, home=claude.home)
    assert Conversation.load(saved, home=claude.home, name="old") is claude["old"]
    assert claude["main"] is claude
