"""``%load_ext`` in a real kernel: what it imports, what it leaves."""

from __future__ import annotations

import pytest

from tests.notebook.kernels import Kernel

HEAVY = ("PIL", "anywidget", "genai_prices", "httpx2", "ipywidgets", "numpy", "pandas", "pydantic", "ssl", "tornado")
"""Packages that a kernel should pay for when it uses them."""


@pytest.fixture
def kernel(new_kernel: Kernel) -> Kernel:
    return new_kernel


def loaded(kernel: Kernel) -> set[str]:
    modules = "[name for name in __import__('sys').modules if __import__('sys').modules[name] is not None]"
    return set(kernel.value(modules))


def test_loading_imports_nothing_heavy(kernel: Kernel) -> None:
    before = loaded(kernel)
    said = kernel.run("%load_ext claude_magic", cell="a")
    new = loaded(kernel) - before
    assert said.printed.startswith("Claude: claude-")
    assert "claude_magic.notebook.magics" in new
    assert sorted({name.partition(".")[0] for name in new} & set(HEAVY)) == []


def test_a_question_imports_the_network_but_no_picture_library(kernel: Kernel) -> None:
    kernel.run("%load_ext claude_magic", cell="a")
    before = loaded(kernel)
    asked = kernel.run("%%claude\nsimulate: say=Here.", cell="b")
    assert asked.status == "ok"
    new = {name.partition(".")[0] for name in loaded(kernel) - before}
    assert "httpx2" in new
    assert new & {"PIL", "anywidget", "ipywidgets", "numpy", "pandas", "tornado"} == set()


def test_loading_again_keeps_the_conversation(kernel: Kernel) -> None:
    kernel.run("%load_ext claude_magic", cell="a")
    kernel.run("%%claude\nsimulate: say=Here.", cell="b")
    again = kernel.run("%reload_ext claude_magic", cell="a")
    assert again.status == "ok", again.error
    assert kernel.value("len(claude.turns)") == 1
    rerun = kernel.run("%%claude\nsimulate: say=Here again.", cell="b")
    assert rerun.answer.notices[0].startswith("Replaced your question")
    assert kernel.value("len(claude.turns)") == 1


def test_unloading_leaves_the_kernel_as_it_was(kernel: Kernel) -> None:
    kernel.run("%load_ext claude_magic", cell="a")
    assert kernel.run("%unload_ext claude_magic", cell="a").status == "ok"
    assert kernel.value("'claude' in globals()") is False
    assert kernel.run("%claude Hello", cell="b").status == "error"
    assert kernel.run("1 + 1", cell="c").status == "ok"


def test_a_variable_of_the_users_is_kept(kernel: Kernel) -> None:
    kernel.run("claude = 'mine'", cell="a")
    said = kernel.run("%load_ext claude_magic", cell="b")
    assert "Your variable claude is kept" in said.printed
    assert kernel.value("claude") == "mine"
