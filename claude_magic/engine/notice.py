"""A sentence for the user, as the value of a method."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Notice:
    """A sentence that says what a method did; it shows as that sentence.

    Attributes
    ----------
    text : str
    """

    text: str

    def __repr__(self) -> str:
        return self.text
