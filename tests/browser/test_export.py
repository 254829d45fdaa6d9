"""An exported page in a browser: it shows the conversation, runs nothing and asks for nothing."""

from __future__ import annotations

from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser

from claude_magic.conversation.conversation import Conversation, Conversations
from claude_magic.engine.settings import Settings
from claude_magic.simulator import Simulator
from tests.hostile import SNIPPETS


def test_a_page_is_whole_and_inert(browser: Browser, simulator: Simulator, tmp_path: Path, screenshots: Path) -> None:
    home = Conversations(Settings(base_url=simulator.url))
    home.credentials.set_key("any")
    messages = [{"role": role, "content": text} for text in SNIPPETS for role in ("user", "assistant")]
    claude = Conversation.from_messages(messages, home=home)
    claude("Look.\nsimulate: say=The last words.", Image.new("RGB", (300, 200), "teal"))
    claude.export(tmp_path / "talk.html")
    home.close()
    context = browser.new_context(viewport={"width": 900, "height": 1200})
    asked: list[str] = []
    context.on("request", lambda request: asked.append(request.url))
    page = context.new_page()
    page.add_init_script("window.ran = () => { window.did = true }")
    page.goto((tmp_path / "talk.html").as_uri())
    assert page.locator(".question").count() == len(SNIPPETS) + 1
    assert page.get_by_text("The last words.", exact=True).is_visible()
    assert page.locator("img").evaluate_all("all => all.map(image => image.naturalWidth)") == [300]
    assert page.evaluate("window.did") is None
    assert [url for url in asked if not url.startswith("data:")] == [(tmp_path / "talk.html").as_uri()]
    page.screenshot(path=screenshots / "exported_page.png")
    context.close()
