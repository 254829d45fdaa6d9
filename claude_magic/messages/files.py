"""The Files API: upload a file once and refer to it by its id in any number of questions."""

from __future__ import annotations

import dataclasses
import datetime
import os
import re
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from claude_magic.messages.errors import BadInput, NotTheMessagesAPI
from claude_magic.messages.text import pluralize, truncate
from claude_magic.messages.wire import text_at

if TYPE_CHECKING:
    from claude_magic.messages.client import Client

Content = Path | bytes
"""What can be uploaded. A path is read in chunks while it is sent."""

MAX_FILE_BYTES = 500 * 1024 * 1024
MAX_NAME = 255
SHORTEST_LIFE = 3600
LONGEST_LIFE = 7_776_000
NOT_IN_NAMES = re.compile(r'[<>:"|?*\\/\x00-\x1f\x7f\ud800-\udfff]')
"""Characters the API does not allow in file names, and lone surrogates, which cannot be encoded."""

_ID = re.compile(r"[A-Za-z0-9_-]+")
_PIECE = 1024 * 1024
_PAGE = 1000


@dataclasses.dataclass(frozen=True, repr=False)
class File:
    """A file stored by the API. In a question it stands for its content.

    Attributes
    ----------
    id : str
    filename, mime_type : str
        Empty if the server does not say.
    size_bytes : int or None
    created_at : datetime or None
    downloadable : bool
        True only for files created by a tool, never for uploads.
    expires_at : datetime or None
        None if it is kept until deleted.
    """

    id: str
    filename: str = ""
    mime_type: str = ""
    size_bytes: int | None = None
    created_at: datetime.datetime | None = None
    downloadable: bool = False
    expires_at: datetime.datetime | None = None

    @classmethod
    def of(cls, data: Mapping[str, object]) -> File:
        """The file described by a response. Only the id is required; other invalid fields are ignored.

        Raises
        ------
        NotTheMessagesAPI
            If there is no id.
        """
        if not isinstance(id := data.get("id"), str) or not _ID.fullmatch(id):
            raise NotTheMessagesAPI("The server returned a file without an id. Check base_url.")
        size = data.get("size_bytes")
        return cls(
            id=id,
            filename=text_at(data, "filename"),
            mime_type=text_at(data, "mime_type"),
            size_bytes=size if isinstance(size, int) and not isinstance(size, bool) else None,
            created_at=_moment(text_at(data, "created_at")),
            downloadable=data.get("downloadable") is True,
            expires_at=_moment(text_at(data, "expires_at")),
        )

    @property
    def expired(self) -> bool:
        """Whether its expiry date has passed."""
        return self.expires_at is not None and self.expires_at <= datetime.datetime.now(datetime.UTC)

    def __repr__(self) -> str:
        facts = [self.filename, self.mime_type, "" if self.size_bytes is None else _size(self.size_bytes)]
        if self.expires_at is not None:
            facts.append(f"until {self.expires_at.astimezone():%Y-%m-%d %H:%M}")
        known = ", ".join(filter(None, facts))
        return f"<File {self.id}{f': {known}' if known else ''}>"


def upload(client: Client, content: Content, filename: str, mime_type: str, *, expires: int | None = None) -> File:
    r"""Upload a file.

    Parameters
    ----------
    client : Client
    content : Path or bytes
        A file on disk is never loaded into memory as a whole.
    filename : str
        1 to 255 characters, without ``<>:"|?*\/`` and control characters.
    mime_type : str
        The media type it should be read as.
    expires : int, optional
        Seconds from now, from an hour to 90 days; without it the file is kept until deleted.

    Raises
    ------
    BadInput
        If the API would refuse it; nothing is sent.
    """
    return File.of(client.call("POST", "/v1/files", _Form(content, filename, mime_type, expires)))


def list_all(client: Client) -> list[File]:
    """Every file of the workspace, in the order of the server: newest first."""
    found: list[File] = []
    query: dict[str, object] = {"limit": _PAGE}
    cursors: set[str] = set()
    while True:
        page = client.call("GET", f"/v1/files?{urlencode(query)}")
        data = page.get("data")
        if not isinstance(data, list):
            raise NotTheMessagesAPI(f"{client.base_url} returned no list of files. Check base_url.")
        found += [File.of(entry) for entry in data if isinstance(entry, dict) and _is_id(entry.get("id"))]
        # Older servers give the last id instead of the next page.
        cursor = page.get("next_page") or (page.get("has_more") and page.get("last_id"))
        if not isinstance(cursor, str) or cursor in cursors:
            return found
        cursors.add(cursor)
        query = {"limit": _PAGE, "page" if page.get("next_page") else "after_id": cursor}


def get(client: Client, id: str) -> File:
    """The description of a file on the server."""
    return File.of(client.call("GET", _path(id)))


def delete(client: Client, id: str) -> None:
    """Delete a file permanently."""
    client.call("DELETE", _path(id))


def length(content: Content) -> int:
    """The number of bytes.

    Raises
    ------
    BadInput
        If it cannot be read, is empty, or exceeds the limit for files.
    """
    called = "The file" if isinstance(content, bytes) else repr(str(content))
    count = len(content) if isinstance(content, bytes) else _length_on_disk(content)
    if count == 0:
        raise BadInput(f"{called} is empty. Choose a file with content.")
    if count > MAX_FILE_BYTES:
        raise BadInput(f"{called} is {_size(count)}, more than the limit of {_size(MAX_FILE_BYTES)}. Send a part.")
    return count


def pieces(content: Content) -> Iterator[bytes]:
    """The bytes, in chunks of a megabyte if they are on disk.

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
    """The body of an upload; the file is opened only while it is sent."""

    def __init__(self, content: Content, filename: str, mime_type: str, expires: int | None) -> None:
        _check_name(filename)
        if not re.fullmatch(r"[\w.+-]+/[\w.+-]+(; ?[\w.+-]+=[\w.+-]+)*", mime_type, re.ASCII):
            raise BadInput(f"{mime_type!r} is not a media type. Example: application/pdf.")
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
        if left:  # its length was announced, and half a file must not pass for the whole
            raise BadInput(f"{self._name!r} changed while it was being read. Run the cell again.")
        yield self._tail


def _check_name(filename: str) -> None:
    if not 1 <= len(filename) <= MAX_NAME or NOT_IN_NAMES.search(filename):
        shown = ascii(truncate(filename, 60))
        raise BadInput(
            f"{shown} cannot be the name of an uploaded file: use 1 to {MAX_NAME} characters, without "
            '<>:"|?*\\/ and control characters.'
        )


def _checked_life(seconds: int) -> int:
    if not isinstance(seconds, int) or isinstance(seconds, bool) or not SHORTEST_LIFE <= seconds <= LONGEST_LIFE:
        raise BadInput(
            f"A file must expire between {SHORTEST_LIFE} (an hour) and {LONGEST_LIFE} seconds (90 days) after the "
            f"upload, not {seconds!r}."
        )
    return seconds


def _path(id: str) -> str:
    if not _is_id(id):
        raise BadInput(f"{id!r} is not a file id. Example: file_011CNha8iCJcU1wXNR6q4V8w.")
    return f"/v1/files/{id}"


def _is_id(value: object) -> bool:
    return isinstance(value, str) and _ID.fullmatch(value) is not None


def _length_on_disk(path: Path) -> int:
    try:
        if not path.is_file():  # reading a pipe could block
            problem = "is not a regular file" if path.exists() else "does not exist"
            raise BadInput(f"{str(path)!r} {problem}. Check the path.")
        with path.open("rb") as file:
            return file.seek(0, os.SEEK_END)
    except OSError as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: OSError) -> BadInput:
    return BadInput(f"{str(path)!r} cannot be read ({error.strerror or error}). Check the path and its permissions.")


def _moment(text: str) -> datetime.datetime | None:
    try:
        moment = datetime.datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=datetime.UTC)


def _size(count: int) -> str:
    if count < 1024:
        return pluralize(count, "byte")
    return f"{count / 1024:.1f} kB" if count < 1024**2 else f"{count / 1024**2:.1f} MB"
