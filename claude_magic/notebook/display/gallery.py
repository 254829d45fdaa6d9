"""Pictures, small: what is sent, above the answer, and what functions returned, in it."""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence

from claude_magic.content.thumbnails import Thumbnail, thumbnails
from claude_magic.messages import limits
from claude_magic.messages.errors import BadInput
from claude_magic.notebook.display import tool_call_view
from claude_magic.tools.calls import Call

MOST = 8


def gallery(pictures: Sequence[Thumbnail]) -> str:
    """Pictures for Markdown, at most :data:`MOST`, with what they are as alternative text and as tip.

    Parameters
    ----------
    pictures : sequence of Thumbnail
    """
    shown = list(filter(None, map(_image, pictures[:MOST])))
    if shown and len(pictures) > MOST:
        shown.append(f"*and {len(pictures) - MOST} more*")
    return " ".join(shown)


class Small:
    """The pictures of calls' results, small; made once for each.

    Attributes
    ----------
    model : str
        The one that sees them.
    """

    def __init__(self) -> None:
        self.model = ""
        self._galleries: dict[Call, str] = {}

    def __call__(self, call: Call) -> str:
        """Those of a call, for Markdown."""
        if call not in self._galleries:
            within = limits.image_limits(limits.lookup(self.model), 1)
            named = [(tool_call_view.name(call), part) for part in call.parts]
            try:
                self._galleries[call] = gallery(thumbnails(named, within))
            except BadInput:  # one that cannot be read is named
                self._galleries[call] = ""
        return self._galleries[call]


def _image(thumbnail: Thumbnail) -> str:
    if (small := thumbnail.encoded) is None:
        return ""
    data = base64.b64encode(small.data).decode("ascii")
    about = html.escape(" ".join(thumbnail.alt.split()))
    width, height = small.size
    source = f"data:{small.media_type};base64,{data}"
    return f'<img src="{source}" width="{width}" height="{height}" alt="{about}" title="{about}">'
