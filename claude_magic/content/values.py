"""Values that the user puts into a question, before they are converted to content parts."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable


@dataclasses.dataclass(frozen=True)
class Named:
    """A value together with the expression that it came from."""

    name: str
    value: object


def attach_before(values: Iterable[Named], prompt: Iterable[str | Named]) -> list[str | Named]:
    """Put attached values in front of a prompt, each as a paragraph."""
    return [item for value in values for item in (value, "\n\n")] + [*prompt]


@dataclasses.dataclass(frozen=True)
class Text:
    """A string to be sent as text, even if it is also the path of a file."""

    value: str


@dataclasses.dataclass(frozen=True)
class RemotePicture:
    """The http(s) or ``data:`` URL of a picture."""

    url: str
