"""What each model accepts, size limits, and prices.

The table is data (``models.json``), read by this module. Sources: Anthropic's published model
overview, its pages on thinking, effort, vision and prompt caching, and the types of the official
SDK, as of the date in the file. :func:`models_from_api` updates it with ``GET /v1/models``.

A ``claude-*`` id that is not in the table is assumed to behave like the newest model. About any
other id nothing is known, so nothing is refused for it.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from claude_magic.messages.wire import JSONObject, object_at

DEFAULT_MODEL = "claude-sonnet-5-5"
DEFAULT_MAX_TOKENS = 32_000
MAX_REQUEST_BYTES = 32 * 1024 * 1024
MAX_IMAGE_BASE64_BYTES = 10 * 1024 * 1024
MAX_IMAGE_SIDE = 8000
MAX_IMAGE_SIDE_WHEN_MANY = 2000
MANY_IMAGES = 20
WRITE, WRITE_1H = 1.25, 2.0
"""The price of writing a token to the cache, for five minutes and for an hour, as a multiple of an input token."""
_EFFORTS = ("low", "medium", "high", "xhigh", "max")
IMAGE_PATCH = 28
"""Pixels. An image costs one token per square of this side, or part of one."""


@dataclasses.dataclass(frozen=True)
class Price:
    """US dollars per million tokens.

    Attributes
    ----------
    input, output, cache_read : float
    long_above : int
        With more input tokens than this, the whole request costs ``long_factor`` times as much; 0 for never.
    """

    input: float
    output: float
    cache_read: float
    long_above: int = 0
    long_factor: float = 1.0

    def dollars(
        self, uncached: float, output: float, *, read: float = 0, written: float = 0, written_1h: float = 0
    ) -> float:
        """US dollars for one request, given its tokens of each kind."""
        long = self.long_above and uncached + read + written + written_1h > self.long_above
        plain = self.input * (uncached + WRITE * written + WRITE_1H * written_1h)
        once = (plain + self.cache_read * read + self.output * output) / 1e6
        return once * (self.long_factor if long else 1)


class ImageLimits(NamedTuple):
    """How large an image may be in one request.

    Attributes
    ----------
    edge, tokens : int
        What the model sees at most: pixels of the longest edge, rounded up to whole patches, and tokens.
    side : int
        The API refuses an image with a side of more pixels.
    """

    edge: int
    tokens: int
    side: int = MAX_IMAGE_SIDE

    def fits(self, width: int, height: int) -> bool:
        """Whether the model sees an image of this size without resizing."""
        across, down = math.ceil(width / IMAGE_PATCH), math.ceil(height / IMAGE_PATCH)
        patches = max(across, down) * IMAGE_PATCH <= self.edge and across * down <= self.tokens
        return patches and max(width, height) <= self.side


@dataclasses.dataclass(frozen=True)
class Model:
    """What one model accepts.

    Attributes
    ----------
    id : str
    line : str
        ``opus``, ``sonnet``, ``haiku``, ``fable``, ``mythos``; ``""`` if unknown.
    released : str
        ISO date.
    aliases : tuple of str
        Other ids for the same model.
    status : str
        ``active``, ``deprecated``, ``restricted``, or ``unknown`` if the id is not in the table.
    retires : str or None
        ISO date before which the model will not be retired.
    context, max_output : int
        Tokens.
    price : Price or None
    thinking : tuple of str
        Accepted ``thinking.type`` values.
    thinks_by_default : bool
        Whether the model thinks if the field is left out.
    thinking_display : str
        ``summarized`` or ``omitted``: what thinking blocks contain by default.
    effort : tuple of str
        Accepted ``output_config.effort`` levels, lowest first; empty if the field is not supported.
    default_effort : str or None
    no_thinking_up_to : str or None
        The highest effort at which thinking can be turned off (or limited to between tools).
    sampling, prefill, system_messages, forced_tool_choice, structured_output : bool
        Whether these are supported. Sampling also depends on the API version.
    bound_thinking : bool
        Whether thinking blocks are verified against everything sent before them.
    image_tier : ImageLimits
    cache_minimum : int
        The fewest tokens that can be cached.
    """

    id: str
    line: str
    released: str
    aliases: tuple[str, ...]
    status: str
    retires: str | None
    context: int
    max_output: int
    price: Price | None
    thinking: tuple[str, ...]
    thinks_by_default: bool
    thinking_display: str
    effort: tuple[str, ...]
    default_effort: str | None
    no_thinking_up_to: str | None
    sampling: bool
    prefill: bool
    system_messages: bool
    forced_tool_choice: bool
    structured_output: bool
    bound_thinking: bool
    image_tier: ImageLimits
    cache_minimum: int

    @property
    def known(self) -> bool:
        """Whether anything is known about this id; if not, nothing is refused or added for it."""
        return self.line != "" or self.id.startswith("claude-")

    @property
    def max_images(self) -> int:
        """Most images in one request: 600 with a context of a million tokens, else 100."""
        return 600 if self.context >= 1_000_000 else 100

    @property
    def max_pages(self) -> int:
        """Most PDF pages in one request: as many as images, because each page becomes one."""
        return self.max_images

    @property
    def thinks_silently(self) -> bool:
        """Whether it thinks by default without showing it."""
        return self.thinks_by_default and self.thinking_display == "omitted"


@functools.cache
def _document() -> JSONObject:
    text = Path(__file__).with_name("models.json").read_text("utf-8")
    document: JSONObject = json.loads(text)
    return document


@functools.cache
def _tiers() -> dict[str, ImageLimits]:
    return {name: ImageLimits(**tier) for name, tier in _document()["image_tiers"].items()}


def _model(row: JSONObject) -> Model:
    fields: JSONObject = {name: tuple(value) if isinstance(value, list) else value for name, value in row.items()}
    fields["price"] = Price(**row["price"]) if row["price"] else None
    fields["image_tier"] = _tiers()[row["image_tier"]]
    return Model(**fields)


@functools.cache
def models() -> tuple[Model, ...]:
    """Every model in the table, newest first."""
    return tuple(_model(row) for row in _document()["models"])


@functools.cache
def retired() -> frozenset[str]:
    """Ids of models that the API no longer offers."""
    return frozenset(_document()["retired"])


@functools.cache
def _by_id() -> Mapping[str, Model]:
    return MappingProxyType({name: model for model in models() for name in (model.id, *model.aliases)})


def aliases() -> dict[str, str]:
    """Short names (``opus``, ``sonnet``, …), each with the newest active model of that line."""
    newest: dict[str, str] = {}
    for model in models():
        if model.status == "active":
            newest.setdefault(model.line, model.id)
    return newest


def resolve(name: str) -> str:
    """The model id for an alias; any other name is returned unchanged."""
    return aliases().get(name.strip().lower(), name.strip())


def lookup(model_id: str, learned: Mapping[str, Model] = MappingProxyType({})) -> Model:
    """What is known about a model id.

    Parameters
    ----------
    model_id : str
        An id, not an alias.
    learned : mapping
        The result of :func:`models_from_api`, which wins over the table.

    Returns
    -------
    Model
        For an unknown ``claude-*`` id, the behaviour of the newest model; for any other id, a model
        that accepts everything.
    """
    known = learned.get(model_id) or _by_id().get(model_id)
    if known is not None:
        return known
    unknown = dataclasses.replace(
        models()[0], id=model_id, line="", released="", aliases=(), status="unknown", retires=None, price=None
    )
    if model_id.startswith("claude-"):
        return unknown
    return dataclasses.replace(
        unknown,
        thinking=("adaptive", "enabled", "disabled", "between_tools"),
        thinks_by_default=False,
        no_thinking_up_to=None,
        sampling=True,
        prefill=True,
        forced_tool_choice=True,
        bound_thinking=False,
        image_tier=_tiers()["standard"],
    )


def nearest(model_id: str, count: int = 3) -> list[str]:
    """Ids and aliases of active models similar to a mistyped one; all aliases if there are none."""
    import difflib

    names = [model.id for model in models() if model.status == "active"]
    found = difflib.get_close_matches(model_id, [*names, *aliases()], n=count, cutoff=0.5)
    return found or list(aliases())


def sampling_allowed(version: str) -> bool:
    """Whether an ``anthropic-version`` still supports temperature, top_p and top_k."""
    return bool(_document()["versions"].get(version, {"sampling": False})["sampling"])


def versions() -> tuple[str, ...]:
    """The ``anthropic-version`` values that the API accepts."""
    return tuple(_document()["versions"])


def models_from_api(entries: Iterable[JSONObject]) -> dict[str, Model]:
    """The table's models, updated with what a server says about its own.

    Parameters
    ----------
    entries : iterable of mapping
        The ``data`` of ``GET /v1/models``; missing fields change nothing.

    Returns
    -------
    dict of str to Model
        By id, for :func:`lookup`. Nothing is stored here, because another server may differ.
    """
    return {entry["id"]: _updated(entry) for entry in entries if isinstance(entry.get("id"), str)}


def _updated(entry: JSONObject) -> Model:
    changes: JSONObject = {}
    for field, name in (("context", "max_input_tokens"), ("max_output", "max_tokens")):
        if isinstance(size := entry.get(name), int) and size > 0:
            changes[field] = size
    capabilities = object_at(entry, "capabilities")
    if types := object_at(object_at(capabilities, "thinking"), "types"):
        changes["thinking"] = tuple(kind for kind in types if object_at(types, kind).get("supported"))
    levels = object_at(capabilities, "effort")
    if levels.get("supported") is False or levels.keys() & set(_EFFORTS):
        changes["effort"] = tuple(level for level in _EFFORTS if object_at(levels, level).get("supported"))
    return dataclasses.replace(lookup(entry["id"]), **changes)


def image_limits(model: Model, count: int) -> ImageLimits:
    """The limits for each image of a request.

    Parameters
    ----------
    count : int
        Images in the whole request, including history and tool results: if there are more than 20,
        the API accepts no side above 2000 pixels.
    """
    side = MAX_IMAGE_SIDE if count <= MANY_IMAGES else MAX_IMAGE_SIDE_WHEN_MANY
    return model.image_tier._replace(side=side)


def widest_limits() -> ImageLimits:
    """The limits of the models that see the finest detail."""
    return _tiers()["high"]


def fit_size(width: int, height: int, limits: ImageLimits) -> tuple[int, int]:
    """The size to which the server reduces an image before the model sees it.

    Parameters
    ----------
    width, height : int
        Pixels, at least 1.

    Returns
    -------
    tuple of int
        Width and height in pixels; unchanged if the image already fits, else the largest size with
        the same aspect ratio. Source: the resizing rule in Anthropic's vision guide.
    """
    if limits.fits(width, height):
        return width, height
    long, short = max(width, height), min(width, height)
    low, high = 1, long
    while low < high:
        middle = (low + high + 1) // 2
        if limits.fits(middle, max(round(middle * short / long), 1)):
            low = middle
        else:
            high = middle - 1
    other = max(round(low * short / long), 1)
    return (low, other) if width >= height else (other, low)


def image_tokens(width: int, height: int) -> int:
    """Tokens for an image of the size the model sees; see :func:`fit_size`."""
    return math.ceil(width / IMAGE_PATCH) * math.ceil(height / IMAGE_PATCH)
