"""The schema of a saved conversation, against which a file is validated before it is used."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, PlainSerializer, PlainValidator, PositiveInt


def _check_string(value: object) -> object:
    if not isinstance(value, str):
        raise ValueError("it is not a string")
    return value


Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}(\.[a-z]{3,4})?$")]
"""The name of an attachment: the SHA-256 of its content, with a suffix."""
Hex = Annotated[str, Field(pattern=r"^(?:[0-9a-f]{2})*$")]
Text = Annotated[str, PlainValidator(_check_string), PlainSerializer(str)]
"""A string that may contain lone surrogates, which pydantic's own strings may not.

Serialized by `str` itself: when Python code that serializes is interrupted, pydantic raises an error of its own.
"""
Role = Literal["user", "assistant", "system"]
Side = Annotated[int, Field(ge=1, le=1_000_000)]
Size = tuple[Side, Side]
Box = tuple[NonNegativeInt, NonNegativeInt, Side, Side]


class Schema(BaseModel):
    """Validated and immutable; fields that a newer release adds to the same version are ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class SavedEncoding(Schema):
    """An encoded picture, and the image limits for which it was made."""

    file: Hash
    media_type: Annotated[str, Field(pattern=r"^image/[a-z]+$")]
    size: Size
    limits: tuple[PositiveInt, PositiveInt, PositiveInt] | None = None


class SavedPicture(Schema):
    """A picture: what it is encoded from, and every encoding that was sent."""

    kind: Literal["picture"] = "picture"
    name: Text
    size: Size
    box: Box
    max_tokens: PositiveInt | None
    note: Text
    file: Hash | None
    filename: Text
    orientation: Annotated[int, Field(ge=1, le=8)]
    cropped: bool
    pixels: SavedEncoding | None
    sent: list[SavedEncoding]


class SavedBlock(Schema):
    """Any other content part; large binary data is an attachment."""

    kind: Literal["block"] = "block"
    wire: dict[str, Any]
    about: Text | None = None
    pages: int | None = None
    name: Text | None = None
    data: Hash | None = None


class SavedResult(Schema):
    """The result of a tool call."""

    kind: Literal["result"] = "result"
    wire: dict[str, Any]
    about: Text | None
    pages: int | None
    content: list[Annotated[SavedPicture | SavedBlock, Field(discriminator="kind")]]


SavedPart = Annotated[SavedPicture | SavedBlock | SavedResult, Field(discriminator="kind")]


class SavedMessage(Schema):
    """A message: its text, the content blocks of an answer, or the content parts of a question."""

    role: Role
    text: Text | None = None
    blocks: list[dict[str, Any]] | None = None
    parts: list[SavedPart] | None = None
    bound_to: Hex = ""


class SavedAnswerBlock(Schema):
    """A content block of an answer as it was received."""

    start: dict[str, Any]
    closed: bool


class SavedCall(Schema):
    """A finished tool call; the result that Claude received is in the messages."""

    id: Text
    name: Text
    input: dict[str, Any]
    invalid: Text | None
    state: Literal["done", "failed", "refused", "stopped"]
    is_error: bool
    seconds: float
    printed: Text
    notes: list[Text]


class SavedReply(Schema):
    """One message of an answer as it was received."""

    id: Text
    model: Text
    prefill: Text
    blocks: list[SavedAnswerBlock]
    stop_reason: Text | None
    stop_sequence: Text | None
    stop_details: dict[str, Any] | None
    request_id: Text | None
    ended: bool
    simulated: bool
    sent: list[Text]
    seconds: float
    usage: dict[str, Any]
    calls: list[SavedCall]


class SavedPlace(Schema):
    """The cell in which a question was asked."""

    cell: Text
    execution: Text
    number: int | None
    label: Text


class SavedTurn(Schema):
    """A question with its answer."""

    id: Text
    prompt: Text
    asked: Text
    place: SavedPlace | None
    messages: list[SavedMessage]
    reply: Annotated[list[SavedReply], Field(min_length=1)]


class SavedTool(Schema):
    """One of: the definition of a function, a tool definition given as a dict, the name of a server tool."""

    function: dict[str, Any] | None = None
    definition: dict[str, Any] | None = None
    server: Text | None = None


class SavedStep(Schema):
    """A state of the journal; turns and tools are indices into the lists of the file."""

    said: Text
    turns: list[NonNegativeInt]
    absent: list[NonNegativeInt] = []
    system: Text | None = None
    model: Text | None = None
    tools: list[NonNegativeInt] = []


class SavedFile(Schema):
    """The whole file."""

    version: int
    name: Text
    turns: list[SavedTurn]
    tools: list[SavedTool]
    journal: Annotated[list[SavedStep], Field(min_length=1)]
    at: NonNegativeInt
    largest_side: Side
