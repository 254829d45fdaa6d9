"""The table of models and the sizes of pictures."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from claude_magic.messages import limits
from claude_magic.messages.limits import IMAGE_PATCH, ImageLimits, Price, fit_size, image_tokens

EFFORTS = ("low", "medium", "high", "xhigh", "max")
STANDARD, HIGH = ImageLimits(1568, 1568), ImageLimits(2576, 4784)

PUBLISHED: dict[str, dict[str, Any]] = {
    "claude-fable-5-2": {
        "price": Price(8, 40, 0.2),
        "retires": "2027-11-09",
        "thinking": ("adaptive",),
        "forced_tool_choice": False,
    },
    "claude-mythos-5-1": {"status": "restricted", "price": Price(10, 50, 0.25), "effort": EFFORTS},
    "claude-opus-5-5": {
        "price": Price(4, 20, 0.2),
        "default_effort": "medium",
        "bound_thinking": True,
        "thinking_display": "omitted",
    },
    "claude-opus-5": {
        "thinking": ("adaptive", "disabled"),
        "no_thinking_up_to": "high",
        "forced_tool_choice": True,
        "thinks_by_default": True,
    },
    "claude-opus-4-8": {"thinks_by_default": False, "system_messages": True, "sampling": False, "prefill": False},
    "claude-opus-4-7": {"system_messages": False, "sampling": False, "thinking": ("adaptive", "disabled")},
    "claude-opus-4-6": {
        "sampling": True,
        "prefill": False,
        "effort": ("low", "medium", "high", "max"),
        "thinking_display": "summarized",
    },
    "claude-opus-4-5": {
        "context": 200_000,
        "max_output": 64_000,
        "prefill": True,
        "effort": ("low", "medium", "high"),
        "max_images": 100,
    },
    "claude-sonnet-5-5": {
        "price": Price(2, 10, 0.1),
        "thinking": ("adaptive", "between_tools"),
        "context": 1_000_000,
        "max_output": 128_000,
    },
    "claude-sonnet-4-5": {
        "status": "deprecated",
        "retires": "2026-11-30",
        "effort": (),
        "default_effort": None,
        "image_tier": STANDARD,
    },
    "claude-haiku-5-5": {
        "price": Price(0.1, 0.5, 0.01, long_above=100_000, long_factor=5),
        "default_effort": "medium",
        "max_images": 600,
        "image_tier": HIGH,
    },
    "claude-haiku-4-5-20251001": {"id": "claude-haiku-4-5", "price": Price(1, 5, 0.1), "sampling": True},
    "claude-mythos-preview": {"price": None, "status": "restricted", "prefill": False},
}
"""Rows of the published tables."""


@pytest.mark.parametrize(("id", "facts"), PUBLISHED.items())
def test_rows_of_the_published_tables(id: str, facts: dict[str, Any]) -> None:
    model = limits.lookup(id)
    assert {name: getattr(model, name) for name in facts} == facts


def test_the_table_agrees_with_itself() -> None:
    models = limits.models()
    names = [name for model in models for name in (model.id, *model.aliases)]
    assert len(names) == len(set(names)) > 15
    assert not set(names) & limits.retired()
    assert [model.released for model in models] == sorted((model.released for model in models), reverse=True)
    for model in models:
        assert model.known
        assert model.id.startswith(f"claude-{model.line}-")
        assert model.max_output < model.context
        assert model.status in ("active", "deprecated", "restricted")
        assert set(model.thinking) <= {"adaptive", "enabled", "disabled", "between_tools"}
        assert model.thinking
        assert list(model.effort) == [level for level in EFFORTS if level in model.effort]
        assert model.default_effort in (model.effort or (None,))
        assert model.no_thinking_up_to in (None, *model.effort)
        assert model.thinking_display in ("summarized", "omitted")
        assert model.thinks_silently == (model.thinks_by_default and model.thinking_display == "omitted")
        assert model.image_tier in (STANDARD, HIGH)
        if model.price is not None:
            assert model.price.cache_read < model.price.input < model.price.output


def test_prices_are_those_of_the_price_list() -> None:
    from genai_prices import Usage, calc_price

    for model in limits.models():
        try:
            listed = calc_price(Usage(input_tokens=1000, output_tokens=1000), model.id, provider_id="anthropic")
        except LookupError:
            continue
        assert model.price is not None
        assert float(listed.input_price) * 1000 == pytest.approx(model.price.input)
        assert float(listed.output_price) * 1000 == pytest.approx(model.price.output)


def test_aliases_are_the_newest_active_of_their_line() -> None:
    assert limits.aliases() == {
        "fable": "claude-fable-5-2",
        "haiku": "claude-haiku-5-5",
        "sonnet": "claude-sonnet-5-5",
        "opus": "claude-opus-5-5",
    }
    assert limits.DEFAULT_MODEL in limits.aliases().values()


@pytest.mark.parametrize(
    ("name", "id"),
    [
        ("opus", "claude-opus-5-5"),
        (" Haiku ", "claude-haiku-5-5"),
        ("claude-opus-4-7", "claude-opus-4-7"),
        ("llama ", "llama"),
    ],
)
def test_resolve(name: str, id: str) -> None:
    assert limits.resolve(name) == id


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("claude-sonet-5-5", "claude-sonnet-5-5"),
        ("claude-opus-55", "claude-opus-5-5"),
        ("hiaku", "haiku"),
        ("sonnet-5.5", "claude-sonnet-5-5"),
    ],
)
def test_nearest(typed: str, meant: str) -> None:
    found = limits.nearest(typed)
    assert meant in found
    assert len(found) <= 3


def test_nothing_is_near() -> None:
    assert limits.nearest("zzz") == list(limits.aliases())


def test_a_claude_of_the_future_behaves_like_the_newest() -> None:
    newest, model = limits.models()[0], limits.lookup("claude-opus-9")
    assert (model.id, model.line, model.status, model.price, model.known) == (
        "claude-opus-9",
        "",
        "unknown",
        None,
        True,
    )
    assert (model.thinking, model.sampling, model.context) == (newest.thinking, newest.sampling, newest.context)


def test_of_another_model_nothing_is_known_and_nothing_refused() -> None:
    model = limits.lookup("llama3")
    assert not model.known
    assert model.sampling
    assert model.prefill
    assert not model.thinks_by_default
    assert len(model.thinking) == 4
    assert model.image_tier == STANDARD


def test_versions() -> None:
    assert limits.versions() == ("2023-06-01", "2026-10-21")
    assert limits.sampling_allowed("2023-06-01")
    assert not limits.sampling_allowed("2026-10-21")
    assert not limits.sampling_allowed("2030-01-01")


FULL = {
    "type": "model",
    "id": "claude-opus-9",
    "max_input_tokens": 2_000_000,
    "max_tokens": 256_000,
    "capabilities": {
        "effort": {
            "supported": True,
            "max": {"supported": True},
            "low": {"supported": True},
            "high": {"supported": False},
        },
        "thinking": {"supported": True, "types": {"adaptive": {"supported": True}, "enabled": {"supported": False}}},
    },
}


def test_what_a_server_says_of_its_models_comes_first() -> None:
    learned = limits.models_from_api([FULL, {"id": "claude-opus-5", "max_tokens": 1000}])
    assert list(learned) == ["claude-opus-9", "claude-opus-5"]
    model = limits.lookup("claude-opus-9", learned)
    assert (model.context, model.max_output, model.effort, model.thinking) == (
        2_000_000,
        256_000,
        ("low", "max"),
        ("adaptive",),
    )
    opus = limits.lookup("claude-opus-5", learned)
    assert (opus.max_output, opus.price) == (1000, Price(5, 25, 0.5))


def test_what_is_learned_of_one_server_is_not_held_of_another() -> None:
    before = limits.lookup("claude-opus-5")
    limits.models_from_api([{"id": "claude-opus-5", "max_tokens": 1000}])
    assert limits.lookup("claude-opus-5") == before
    with pytest.raises(TypeError):
        limits._by_id()["claude-opus-5"] = before  # type: ignore[index]


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"object": "model", "created": 1, "owned_by": "me"},
        {"max_tokens": None, "capabilities": None},
        {"max_tokens": "9", "max_input_tokens": -1},
        {"capabilities": {"thinking": None, "effort": []}},
        {"capabilities": {"thinking": {"types": None}, "effort": {"supported": True}}},
    ],
)
def test_what_is_missing_changes_nothing(more: dict[str, Any]) -> None:
    entries = [{"id": "claude-opus-5", **more}, {"id": "llama3", **more}, {"object": "no id"}, {"id": 7}]
    learned = limits.models_from_api(entries)
    assert learned == {"claude-opus-5": limits.lookup("claude-opus-5"), "llama3": limits.lookup("llama3")}


def test_a_model_without_effort() -> None:
    learned = limits.models_from_api([{"id": "claude-opus-9", "capabilities": {"effort": {"supported": False}}}])
    assert learned["claude-opus-9"].effort == ()


@pytest.mark.parametrize(
    ("size", "seen"),
    [
        ((1920, 1080), (1456, 819)),
        ((1080, 1920), (819, 1456)),
        ((1075, 1520), (924, 1307)),
        ((200, 200), (200, 200)),
        ((1, 1), (1, 1)),
        ((8000, 1), (1568, 1)),
    ],
)
def test_the_standard_tier(size: tuple[int, int], seen: tuple[int, int]) -> None:
    assert fit_size(*size, STANDARD) == seen


@pytest.mark.parametrize("size", [(1920, 1080), (1075, 1520), (2576, 1400)])
def test_the_high_tier_sees_more(size: tuple[int, int]) -> None:
    assert fit_size(*size, HIGH) == size


def allowed(width: int, height: int, tier: ImageLimits) -> bool:
    across, down = math.ceil(width / IMAGE_PATCH), math.ceil(height / IMAGE_PATCH)
    return (
        max(across, down) * IMAGE_PATCH <= tier.edge
        and across * down <= tier.tokens
        and max(width, height) <= tier.side
    )


SIDES = st.integers(1, 8000)
TIERS = st.sampled_from([STANDARD, HIGH, HIGH._replace(side=2000)])


@given(SIDES, SIDES, TIERS)
@example(8000, 1, STANDARD)
@example(8000, 8000, HIGH)
def test_what_fits(width: int, height: int, tier: ImageLimits) -> None:
    seen = fit_size(width, height, tier)
    assert allowed(*seen, tier)
    assert image_tokens(*seen) <= tier.tokens
    assert seen[0] <= width
    assert seen[1] <= height
    assert min(seen) >= 1
    assert fit_size(height, width, tier) == seen[::-1]
    assert fit_size(*seen, tier) == seen
    if allowed(width, height, tier):
        assert seen == (width, height)
    else:  # the shape is kept, as well as whole pixels can
        assert abs(seen[0] * height - seen[1] * width) <= max(width, height)


@given(
    st.integers(1, 400),
    st.integers(1, 400),
    st.sampled_from([ImageLimits(112, 9), ImageLimits(196, 12), ImageLimits(84, 100)]),
)
def test_nothing_larger_would_fit(width: int, height: int, tier: ImageLimits) -> None:
    long, short = max(width, height), min(width, height)
    candidates = [(edge, max(round(edge * short / long), 1)) for edge in range(1, long + 1)]
    largest = max(size for size in candidates if allowed(*size, tier))
    if allowed(long, short, tier):
        largest = (long, short)
    assert sorted(fit_size(width, height, tier)) == sorted(largest)


def test_many_pictures_have_to_be_smaller() -> None:
    haiku = limits.lookup("claude-haiku-5-5")
    assert limits.image_limits(haiku, 20) == limits.widest_limits() == HIGH
    assert limits.image_limits(haiku, 21) == HIGH._replace(side=2000)
    assert fit_size(2400, 1200, limits.image_limits(haiku, 20)) == (2400, 1200)
    assert fit_size(2400, 1200, limits.image_limits(haiku, 21)) == (2000, 1000)


@pytest.mark.parametrize(
    ("size", "tokens"), [((1, 1), 1), ((28, 28), 1), ((29, 28), 2), ((200, 200), 64), ((1456, 819), 1560)]
)
def test_tokens_of_a_picture(size: tuple[int, int], tokens: int) -> None:
    assert image_tokens(*size) == tokens
