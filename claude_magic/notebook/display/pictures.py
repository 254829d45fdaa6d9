"""The pictures that are sent, small, above the answer."""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence

from claude_magic.content.thumbnails import Thumbnail

MOST = 8


def gallery(thumbnails: Sequence[Thumbnail]) -> str:
    """Pictures for Markdown, at most :data:`MOST`, with what they are as alternative text and as tip.

    Parameters
    ----------
    thumbnails : sequence of Thumbnail
    """
    shown = list(filter(None, map(_image, thumbnails[:MOST])))
    if shown and len(thumbnails) > MOST:
        shown.append(f"*and {len(thumbnails) - MOST} more*")
    return " ".join(shown)


def _image(thumbnail: Thumbnail) -> str:
    if (small := thumbnail.encoded) is None:
        return ""
    data = base64.b64encode(small.data).decode("ascii")
    about = html.escape(" ".join(thumbnail.alt.split()))
    width, height = small.size
    source = f"data:{small.media_type};base64,{data}"
    return f'<img src="{source}" width="{width}" height="{height}" alt="{about}" title="{about}">'
