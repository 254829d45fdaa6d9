"""Thumbnails: pictures that were sent, above the answer, and pictures that tools returned, inside it."""

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
    """Pictures as HTML for Markdown, with descriptions as alternative text and tooltip.

    Parameters
    ----------
    pictures : sequence of Thumbnail
        Only the first :data:`MOST` are shown.
    """
    shown = list(filter(None, map(_image, pictures[:MOST])))
    if shown and len(pictures) > MOST:
        shown.append(f"*and {len(pictures) - MOST} more*")
    return " ".join(shown)


class ToolGallery:
    """Makes thumbnails of the pictures that tool calls return, once for each call.

    Attributes
    ----------
    model : str
        The model that sees the pictures.
    """

    def __init__(self) -> None:
        self.model = ""
        self._galleries: dict[Call, str] = {}

    def __call__(self, call: Call) -> str:
        """The pictures of one call, as HTML for Markdown."""
        if call not in self._galleries:
            image_limits = limits.image_limits(limits.lookup(self.model), 1)
            named = [(tool_call_view.tool_name(call), part) for part in call.parts]
            try:
                self._galleries[call] = gallery(thumbnails(named, image_limits))
            except BadInput:  # an unreadable picture is only named
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
