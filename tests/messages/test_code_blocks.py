"""The code in an answer."""

from __future__ import annotations

import pickle
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_magic.messages.code_blocks import Code, find_code_blocks
from claude_magic.messages.errors import BadInput
from claude_magic.messages.reply import Reply

# what is written; each block's text, language and whether it is complete
WRITTEN: list[tuple[str, list[tuple[str, str, bool]]]] = [
    ("No code at all.", []),
    ("```python\nx = 1\n```", [("x = 1", "python", True)]),
    ("Text\n```\na\n\nb\n```\nmore\n\n~~~sh\nls\n~~~", [("a\n\nb", "", True), ("ls", "sh", True)]),
    ("````md\n```python\nx\n```\n````", [("```python\nx\n```", "md", True)]),
    ("~~~\n```\nx\n```\n~~~", [("```\nx\n```", "", True)]),
    ("```\nx\n~~~\ny\n```", [("x\n~~~\ny", "", True)]),
    ("1. Run\n   ```bash\n   pip install x\n     -q\n   ```\n2. on", [("pip install x\n  -q", "bash", True)]),
    ("> ```r\n> x <- 1\n> ```", [("x <- 1", "r", True)]),
    ("- > ~~~~ sql\n  > SELECT 1\n  > ~~~~", [("SELECT 1", "sql", True)]),
    ("  ```\n    x\n  ```", [("  x", "", True)]),
    ("    ```\n    x = 1\n    ```", []),
    ("    indented = code", []),
    ("`` ```x``` `` and ```python x``` in a line", []),
    ("``` py`thon\nx\n```", [("", "", False)]),
    ("| a |\n|---|\n```\nx\n```", [("x", "", True)]),
    ("<details>\n```\nx\n```\n</details>", [("x", "", True)]),
    ("```\n```", [("", "", True)]),
    ("```\n\n```", [("", "", True)]),
    ("```python", [("", "python", False)]),
    ("```python\n", [("", "python", False)]),
    ("```python\nx = 1", [("x = 1", "python", False)]),
    ("```python\nx = 1\n", [("x = 1", "python", False)]),
    ("```python\nx = 1\n\n", [("x = 1\n", "python", False)]),
    ("```python\nx = 1\n``", [("x = 1\n``", "python", False)]),
    ("- ```\n  x\n\nafter", [("x\n", "", False)]),
    ("```python\r\nx = 1\r\ny = 2\r\n```\r\n", [("x = 1\ny = 2", "python", True)]),
    ("```c++ title=a.cpp\nx\n```", [("x", "c++", True)]),
    ("```{python}\nx\n```\n```{.python .lines}\nx\n```", [("x", "python", True)] * 2),
    ("```rust,ignore\nx\n```\n```py:a.py\nx\n```", [("x", "rust", True), ("x", "py", True)]),
    ("```\nüñ\u2028🎉\x0c\n```", [("üñ\u2028🎉\x0c", "", True)]),
]


def said(*messages: str, prefill: str = "") -> Reply:
    reply = None
    for text in messages:
        reply = Reply(prefill, earlier=reply.messages if reply else ())
        reply.take({"content": text, "stop_reason": "end_turn"})
    assert reply is not None
    return reply


@pytest.mark.parametrize(("markdown", "expected"), WRITTEN, ids=[repr(row[0])[:40] for row in WRITTEN])
def test_what_stands_between_fences(markdown: str, expected: list[tuple[str, str, bool]]) -> None:
    assert [(str(code), code.language, code.complete) for code in find_code_blocks(markdown)] == expected


lines = st.text(st.sampled_from("ab `~>-\t#$<\\"), max_size=8)


@given(st.lists(lines, max_size=6), st.sampled_from(["```", "~~~"]), st.integers(0, 4), st.sampled_from(["", "py"]))
def test_any_code_comes_back_from_a_longer_fence(code: list[str], fence: str, longer: int, language: str) -> None:
    fence += fence[0] * (8 + longer)
    written = f"Words\n\n{fence}{language}\n" + "".join(f"{line}\n" for line in code)
    (closed,) = find_code_blocks(f"{written}{fence}\n\nwords")
    assert (closed, closed.language, closed.complete) == ("\n".join(code), language, True)
    (cut,) = find_code_blocks(written)
    assert (cut, cut.complete) == ("\n".join(code), False)


def test_a_block_is_a_string() -> None:
    (code,) = find_code_blocks("```python\nx = 1\n```")
    assert isinstance(code, str)
    assert code + "\n" == "x = 1\n"
    copied = pickle.loads(pickle.dumps(code))
    assert (copied, copied.language, copied.complete) == (code, "python", True)
    assert Code("x").language == ""


def test_code_is_read_message_by_message() -> None:
    reply = said("```python\nx = 1", "Now:\n```python\ny = 2\n```")
    assert [(str(code), code.complete) for code in reply.code] == [("x = 1", False), ("y = 2", True)]


def test_the_words_put_into_claudes_mouth_may_open_the_code() -> None:
    assert said("x = 1\n```", prefill="```python\n").code == ["x = 1"]


def test_a_long_answer_is_read_at_once() -> None:
    answer = "\n\n".join(f"Part {n}\n```python\nx = {n}\n```" for n in range(2000))
    assert [int(code[4:]) for code in said(answer).code] == list(range(2000))
    assert said("```\n" + "x" * 200_000).code == ["x" * 200_000]


def test_without_a_notebook_there_is_no_cell_to_put_it_into() -> None:
    with pytest.raises(BadInput, match="no notebook here"):
        said("```\nx\n```").to_cell()


def test_nothing_of_markdown_or_ipython_is_imported_for_it() -> None:
    program = (
        "import sys\nfrom claude_magic.messages.reply import Reply\nreply = Reply()\n"
        "reply.take({'content': 'No code.'})\nassert reply.code == []\n"
        "print([name for name in ('IPython', 'markdown_it') if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
