"""Values that the user puts into a question, before they are converted to content parts."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Named:
    """A value together with the expression that it came from."""

    name: str
    value: object


@dataclasses.dataclass(frozen=True)
class Text:
    """A string to be sent as text, even if it is also the path of a file."""

    value: str


@dataclasses.dataclass(frozen=True)
class RemotePicture:
    """The http(s) or ``data:`` URL of a picture."""

    url: str
