"""``%load_ext`` in a real kernel: what it imports, what it leaves."""

from __future__ import annotations

from tests.notebook.kernels import Kernel

HEAVY = ("PIL", "anywidget", "genai_prices", "httpx2", "ipywidgets", "numpy", "pandas", "pydantic", "ssl", "tornado")
"""Packages that a kernel should pay for when it uses them."""


def loaded(kernel: Kernel) -> set[str]:
    modules = "[name for name in __import__('sys').modules if __import__('sys').modules[name] is not None]"
    return set(kernel.value(modules))


def test_loading_imports_nothing_heavy(new_kernel: Kernel) -> None:
    before = loaded(new_kernel)
    said = new_kernel.run("%load_ext claude_magic", cell="a")
    new = loaded(new_kernel) - before
    assert said.printed.startswith("Claude: claude-")
    assert "claude_magic.notebook.magics" in new
    assert sorted({name.partition(".")[0] for name in new} & set(HEAVY)) == []


def test_a_question_imports_the_network_but_no_picture_library(new_kernel: Kernel) -> None:
    new_kernel.run("%load_ext claude_magic", cell="a")
    before = loaded(new_kernel)
    asked = new_kernel.run("%%claude\nsimulate: say=Here.", cell="b")
    assert asked.status == "ok"
    new = {name.partition(".")[0] for name in loaded(new_kernel) - before}
    assert "httpx2" in new
    assert new & {"PIL", "anywidget", "ipywidgets", "numpy", "pandas", "tornado"} == set()


def test_loading_again_keeps_the_conversation(new_kernel: Kernel) -> None:
    new_kernel.run("%load_ext claude_magic", cell="a")
    new_kernel.run("%%claude\nsimulate: say=Here.", cell="b")
    again = new_kernel.run("%reload_ext claude_magic", cell="a")
    assert again.status == "ok", again.error
    assert new_kernel.value("len(claude.turns)") == 1
    rerun = new_kernel.run("%%claude\nsimulate: say=Here again.", cell="b")
    assert rerun.answer.notices[0].startswith("Replaced your question")
    assert new_kernel.value("len(claude.turns)") == 1


def test_unloading_leaves_the_kernel_as_it_was(new_kernel: Kernel) -> None:
    new_kernel.run("%load_ext claude_magic", cell="a")
    assert new_kernel.run("%unload_ext claude_magic", cell="a").status == "ok"
    assert new_kernel.value("'claude' in globals()") is False
    assert new_kernel.run("%claude Hello", cell="b").status == "error"
    assert new_kernel.run("1 + 1", cell="c").status == "ok"


def test_a_variable_of_the_users_is_kept(new_kernel: Kernel) -> None:
    new_kernel.run("claude = 'mine'", cell="a")
    said = new_kernel.run("%load_ext claude_magic", cell="b")
    assert "Your variable claude is kept" in said.printed
    assert new_kernel.value("claude") == "mine"
