"""The Files API: what is uploaded once can be asked about again and again, by its id."""

from __future__ import annotations

import dataclasses
import datetime
import os
import re
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from claude_magic.messages.errors import BadInput, NotTheMessagesAPI

if TYPE_CHECKING:
    from claude_magic.messages.client import Client

Content = Path | bytes
"""What can be uploaded; a path is read piece by piece as it is sent."""

MAX_FILE_BYTES = 500 * 1024 * 1024
MAX_NAME = 255
SHORTEST_LIFE = 3600
LONGEST_LIFE = 7_776_000
NOT_IN_NAMES = re.compile(r'[<>:"|?*\\/\x00-\x1f\x7f\ud800-\udfff]')
"""What the API takes in no file's name, and half characters, which cannot be sent at all."""

_ID = re.compile(r"[A-Za-z0-9_-]+")
_PIECE = 1024 * 1024
_PAGE = 1000


@dataclasses.dataclass(frozen=True, repr=False)
class File:
    """A file that lies with the API. In a question it stands for what is in it.

    Attributes
    ----------
    id : str
    filename, mime_type : str
        Empty if the server did not say.
    size_bytes : int or None
    created_at : datetime or None
    downloadable : bool
        Only what a tool made is; never what was uploaded.
    expires_at : datetime or None
        None if it stays until it is deleted.
    """

    id: str
    filename: str = ""
    mime_type: str = ""
    size_bytes: int | None = None
    created_at: datetime.datetime | None = None
    downloadable: bool = False
    expires_at: datetime.datetime | None = None

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> File:
        """The file that an answer describes; what is missing or odd, but for the id, is left out.

        Raises
        ------
        NotTheMessagesAPI
            If there is no id.
        """
        if not _is_id(data.get("id")):
            raise NotTheMessagesAPI("The server described a file without an id.")
        size = data.get("size_bytes")
        return cls(
            id=data["id"],
            filename=_text(data.get("filename")),
            mime_type=_text(data.get("mime_type")),
            size_bytes=size if isinstance(size, int) and not isinstance(size, bool) else None,
            created_at=_moment(data.get("created_at")),
            downloadable=data.get("downloadable") is True,
            expires_at=_moment(data.get("expires_at")),
        )

    @property
    def expired(self) -> bool:
        """Whether its time is over."""
        return self.expires_at is not None and self.expires_at <= datetime.datetime.now(datetime.UTC)

    def __repr__(self) -> str:
        facts = [self.filename, self.mime_type, "" if self.size_bytes is None else _size(self.size_bytes)]
        if self.expires_at is not None:
            facts.append(f"until {self.expires_at.astimezone():%Y-%m-%d %H:%M}")
        told = ", ".join(filter(None, facts))
        return f"<File {self.id}{f': {told}' if told else ''}>"


def upload(client: Client, content: Content, filename: str, mime_type: str, *, expires: int | None = None) -> File:
    r"""Upload a file.

    Parameters
    ----------
    client : Client
    content : Path or bytes
        A file on disk is never in memory as a whole.
    filename : str
        1 to 255 characters, without ``<>:"|?*\/`` and control characters.
    mime_type : str
        What it is to be read as.
    expires : int, optional
        Seconds from now, an hour to ninety days; else it stays until it is deleted.

    Returns
    -------
    File

    Raises
    ------
    BadInput
        If the API would not take it; nothing is sent then.
    """
    return File.of(client.call("POST", "/v1/files", _Form(content, filename, mime_type, expires)))


def list_all(client: Client) -> list[File]:
    """Every file of the workspace, in the server's order: newest first."""
    found: list[File] = []
    query: dict[str, Any] = {"limit": _PAGE}
    cursors: set[str] = set()
    while True:
        page = client.call("GET", f"/v1/files?{urlencode(query)}")
        data = page.get("data")
        if not isinstance(data, list):
            raise NotTheMessagesAPI(f"{client.where} listed no files.")
        found += [File.of(entry) for entry in data if isinstance(entry, dict) and _is_id(entry.get("id"))]
        # Older servers name the last file instead of the next page.
        cursor = page.get("next_page") or (page.get("has_more") and page.get("last_id"))
        if not isinstance(cursor, str) or cursor in cursors:
            return found
        cursors.add(cursor)
        query = {"limit": _PAGE, "page" if page.get("next_page") else "after_id": cursor}


def get(client: Client, id: str) -> File:
    """What the server knows about a file."""
    return File.of(client.call("GET", _path(id)))


def delete(client: Client, id: str) -> None:
    """Delete a file, for ever."""
    client.call("DELETE", _path(id))


def length(content: Content) -> int:
    """How many bytes it has.

    Raises
    ------
    BadInput
        If it cannot be read, is empty, or is too large for a file.
    """
    called = "The file" if isinstance(content, bytes) else repr(str(content))
    count = len(content) if isinstance(content, bytes) else _length_on_disk(content)
    if count == 0:
        raise BadInput(f"{called} is empty.")
    if count > MAX_FILE_BYTES:
        raise BadInput(f"{called} has {_size(count)}; a file has at most {_size(MAX_FILE_BYTES)}.")
    return count


def pieces(content: Content) -> Iterator[bytes]:
    """The bytes, a megabyte at a time where they are on disk.

    Raises
    ------
    BadInput
        If they cannot be read.
    """
    if isinstance(content, bytes):
        yield content
        return
    try:
        with content.open("rb") as file:
            while piece := file.read(_PIECE):
                yield piece
    except OSError as error:
        raise _unreadable(content, error) from None


class _Form:
    """The body of an upload; its file is opened when it is sent."""

    def __init__(self, content: Content, filename: str, mime_type: str, expires: int | None) -> None:
        _check_name(filename)
        if not re.fullmatch(r"[\w.+-]+/[\w.+-]+(; ?[\w.+-]+=[\w.+-]+)*", mime_type, re.ASCII):
            raise BadInput(f"{mime_type!r} is no media type, such as application/pdf.")
        self._content, self._name = content, filename
        self._size = length(content)
        boundary = secrets.token_hex(16)
        self.content_type = f"multipart/form-data; boundary={boundary}"
        field = f'--{boundary}\r\nContent-Disposition: form-data; name="'
        life = "" if expires is None else f'{field}expires_in_seconds"\r\n\r\n{_checked_life(expires)}\r\n'
        head = f'{life}{field}file"; filename="{filename}"\r\nContent-Type: {mime_type}\r\n\r\n'
        self._head, self._tail = head.encode(), f"\r\n--{boundary}--\r\n".encode()

    def __len__(self) -> int:
        return len(self._head) + self._size + len(self._tail)

    def __iter__(self) -> Iterator[bytes]:
        yield self._head
        left = self._size
        for piece in pieces(self._content):
            left -= len(piece)
            if left < 0:
                break
            yield piece
        if left:  # the length was promised; half a file must not pass for one
            raise BadInput(f"{self._name!r} was changed while it was read. Run the cell again.")
        yield self._tail


def _check_name(filename: str) -> None:
    if not 1 <= len(filename) <= MAX_NAME or NOT_IN_NAMES.search(filename):
        shown = ascii(filename if len(filename) <= 60 else filename[:59] + "…")
        raise BadInput(
            f"{shown} cannot be the name of an uploaded file: it has 1 to {MAX_NAME} characters, none of "
            '<>:"|?*\\/ and no control characters.'
        )


def _checked_life(seconds: int) -> int:
    if not isinstance(seconds, int) or isinstance(seconds, bool) or not SHORTEST_LIFE <= seconds <= LONGEST_LIFE:
        raise BadInput(
            f"A file expires {SHORTEST_LIFE} (an hour) to {LONGEST_LIFE} seconds (90 days) after the upload, "
            f"not {seconds!r}."
        )
    return seconds


def _path(id: str) -> str:
    if not _is_id(id):
        raise BadInput(f"{id!r} is no file's id, such as file_011CNha8iCJcU1wXNR6q4V8w.")
    return f"/v1/files/{id}"


def _is_id(value: object) -> bool:
    return isinstance(value, str) and _ID.fullmatch(value) is not None


def _length_on_disk(path: Path) -> int:
    try:
        if not path.is_file():  # a pipe would be waited for
            problem = "is no regular file. Name a file" if path.exists() else "does not exist"
            raise BadInput(f"{str(path)!r} {problem}.")
        with path.open("rb") as file:
            return file.seek(0, os.SEEK_END)
    except OSError as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: OSError) -> BadInput:
    return BadInput(f"{str(path)!r} cannot be read: {error.strerror or error}.")


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _moment(value: object) -> datetime.datetime | None:
    try:
        moment = datetime.datetime.fromisoformat(_text(value))
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=datetime.UTC)


def _size(count: int) -> str:
    if count < 1024:
        return f"{count} byte{'s' if count != 1 else ''}"
    return f"{count / 1024:.1f} kB" if count < 1024**2 else f"{count / 1024**2:.1f} MB"
