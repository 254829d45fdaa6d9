"""What stands in a saved file: its shape, which is checked before anything is made of it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, PlainSerializer, PlainValidator, PositiveInt


def _text(value: object) -> object:
    if not isinstance(value, str):
        raise ValueError("it is no text")
    return value


Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}(\.[a-z]{3,4})?$")]
"""The name of a file in the folder beside: what is in it, and how such files end."""
Hex = Annotated[str, Field(pattern=r"^(?:[0-9a-f]{2})*$")]
Text = Annotated[str, PlainValidator(_text), PlainSerializer(str)]
"""Written by `str` itself: pydantic makes an interrupt within Python code that serializes an error of its own."""
"""May hold halves of surrogate pairs, which pydantic's own texts may not."""
Side = Annotated[int, Field(ge=1, le=1_000_000)]
Size = tuple[Side, Side]
Box = tuple[NonNegativeInt, NonNegativeInt, Side, Side]


class Form(BaseModel):
    """Checked types; what a later program of the same version adds is left alone."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class SavedEncoding(Form):
    """A picture as bytes, and for which limits it was made."""

    file: Hash
    media_type: Annotated[str, Field(pattern=r"^image/[a-z]+$")]
    size: Size
    limits: tuple[PositiveInt, PositiveInt, PositiveInt] | None = None


class SavedPicture(Form):
    """A picture with what it is encoded from, and all that was sent of it."""

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


class SavedBlock(Form):
    """Any other part of a question, with large binaries in a file beside."""

    kind: Literal["block"] = "block"
    wire: dict[str, Any]
    about: Text | None = None
    pages: int | None = None
    name: Text | None = None
    data: Hash | None = None


class SavedResult(Form):
    """The result of a call."""

    kind: Literal["result"] = "result"
    wire: dict[str, Any]
    about: Text | None
    pages: int | None
    content: list[Annotated[SavedPicture | SavedBlock, Field(discriminator="kind")]]


SavedPart = Annotated[SavedPicture | SavedBlock | SavedResult, Field(discriminator="kind")]


class SavedMessage(Form):
    """One message: words, blocks in the API's form (an answer's), or parts (a question's)."""

    role: Literal["user", "assistant", "system"]
    text: Text | None = None
    blocks: list[dict[str, Any]] | None = None
    parts: list[SavedPart] | None = None
    bound_to: Hex = ""


class SavedAnswerBlock(Form):
    """A block as it arrived."""

    start: dict[str, Any]
    closed: bool


class SavedCall(Form):
    """A call as it ended; what Claude was told stands in the messages."""

    id: Text
    name: Text
    input: dict[str, Any]
    invalid: Text | None
    state: Literal["done", "failed", "refused", "stopped"]
    is_error: bool
    seconds: float
    printed: Text
    notes: list[Text]


class SavedReply(Form):
    """One message of an answer, as it came."""

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


class SavedPlace(Form):
    """The cell."""

    cell: Text
    execution: Text
    number: int | None
    label: Text


class SavedTurn(Form):
    """A question and what answered it."""

    id: Text
    prompt: Text
    asked: Text
    place: SavedPlace | None
    messages: list[SavedMessage]
    reply: Annotated[list[SavedReply], Field(min_length=1)]


class SavedTool(Form):
    """One of: the definition of a function, one in the API's form, the name of a tool of the server."""

    function: dict[str, Any] | None = None
    definition: dict[str, Any] | None = None
    server: Text | None = None


class SavedStep(Form):
    """A state of the journal; turns by their number in the file."""

    said: Text
    turns: list[NonNegativeInt]
    absent: list[NonNegativeInt] = []
    system: Text | None = None
    model: Text | None = None
    tools: list[NonNegativeInt] = []


class SavedFile(Form):
    """The whole file."""

    version: int
    name: Text
    turns: list[SavedTurn]
    tools: list[SavedTool]
    journal: Annotated[list[SavedStep], Field(min_length=1)]
    at: NonNegativeInt
    largest_side: Side
