"""The option line, as a table."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from IPython.core.error import UsageError

from claude_magic.notebook.lexer import words
from claude_magic.notebook.option_line import OPTIONS, parse

README = Path(__file__).parents[2] / "README.md"

# the line of %%claude; what it means
GOOD = [
    ("", {}),
    ("   ", {}),
    ("-m opus", {"model": "opus"}),
    ("--model opus", {"model": "opus"}),
    ("--model=opus", {"model": "opus"}),
    ("-c stats -a", {"chat": "stats", "append": True}),
    ("-s 'Be brief.'", {"system": "Be brief."}),
    ('-s "Be brief."', {"system": "Be brief."}),
    ('-s ""', {"system": ""}),
    ("--system=", {"system": ""}),
    ('-s "Don\'t (stop"', {"system": "Don't (stop"}),
    (r'-s "say \"yes\""', {"system": 'say "yes"'}),
    ("-s {{ role + ' in short' }}", {"system": "{{ role + ' in short' }}"}),
    (r"-s two\ words", {"system": "two words"}),
    ("-o reply", {"out": "reply"}),
    ("--max-tokens 500", {"max_tokens": 500}),
    ("--max-tokens 1_000", {"max_tokens": 1000}),
    ("--stop END --stop 'a b'", {"stop": ["END", "a b"]}),
    ("--prefill '{'", {"prefill": "{"}),
    ("--temperature 0.5 --top-p .9 --top-k 5", {"temperature": 0.5, "top_p": 0.9, "top_k": 5}),
    ("--temperature -1", {"temperature": -1.0}),  # the range is the model's business
    ("--effort high -o reply", {"effort": "high", "out": "reply"}),
    ("--thinking 4096", {"thinking": "4096"}),
    ("--once --new --verbatim", {"once": True, "new": True, "verbatim": True}),
    ("-s '-m'", {"system": "-m"}),
    (r"-s C:\data\x", {"system": r"C:\data\x"}),
]
# the line; a part of what is said about it
BAD = [
    ("explain this", "stray word 'explain'"),
    ("-m opus explain", "stray word 'explain'"),
    ("'quoted'", "stray word 'quoted'"),
    ("--mod opus", "unknown option --mod. Did you mean --model?"),
    ("-x", "unknown option -x"),
    ("--temprature 1", "Did you mean --temperature?"),
    ("-m", "-m, --model ID: ID is missing"),
    ("-m -o reply", "ID is missing"),
    ("--max-tokens many", "needs a whole number, not 'many'"),
    ("--temperature warm", "needs a number, not 'warm'"),
    ("-o 2x", "needs the name of a variable"),
    ("-o class", "needs the name of a variable"),
    ("-m opus -m haiku", "--model is given twice"),
    ("--once=yes", "--once takes no value"),
    ("-s 'open", "never closed"),
    ("-i df[1", "] is missing"),
    ("-c ' '", "needs a name"),
]


@pytest.mark.parametrize(("line", "meant"), GOOD)
def test_a_valid_line(line: str, meant: dict[str, object]) -> None:
    assert parse(line, question_follows=False).given == meant


@pytest.mark.parametrize(("line", "said"), BAD)
def test_an_invalid_line_is_refused(line: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(line, question_follows=False)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("line", "given", "question"),
    [
        ("What is this?", {}, "What is this?"),
        ("what's this?", {}, "what's this?"),
        ("-m opus what's -m for?", {"model": "opus"}, "what's -m for?"),
        ("-m opus", {"model": "opus"}, ""),
        ('say "hi" (or {{ x', {}, 'say "hi" (or {{ x'),
        ("- is a dash", {}, "- is a dash"),
        ("-s 'Be brief.'   two  spaces stay", {"system": "Be brief."}, "two  spaces stay"),
    ],
)
def test_on_one_line_the_question_is_untouched(line: str, given: dict[str, object], question: str) -> None:
    parsed = parse(line, question_follows=True)
    assert parsed.given == given
    assert parsed.rest == question


@pytest.mark.parametrize(
    ("line", "values"),
    [
        ("-i fig", ["fig"]),
        ("-i a, b", ["a, b"]),
        ("-i a,b -i c", ["a,b", "c"]),
        ("-i f(a, b) -m opus", ["f(a, b)"]),
        ("-i df['a b']", ["df['a b']"]),
        ('-i df["a)b"]', ['df["a)b"]']),
        ("-i 'my picture.png'", ["my picture.png"]),
        ("-i {{ photos[0] }}", ["{{ photos[0] }}"]),
    ],
)
def test_attachments_are_python_expressions(line: str, values: list[str]) -> None:
    assert [word.text for word in parse(line, question_follows=False).given["attach"]] == values


def test_words_know_where_they_end() -> None:
    line = "  -s  'a b'  c"
    assert [line[: word.end].split()[-1] for word in words(line)] == ["-s", "b'", "c"]


def test_the_documentation_names_every_option() -> None:
    for page in (README, README.parent / "docs" / "asking.md"):
        words = set(re.findall(r"[\w-]+", page.read_text("utf-8")))
        assert [option.long for option in OPTIONS if not {option.long, option.short} & words] == [], page
