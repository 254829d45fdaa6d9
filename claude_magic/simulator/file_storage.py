"""``/v1/files``: uploaded files in memory, inserted into messages that refer to them by id."""

from __future__ import annotations

import base64
import dataclasses
import datetime
import mimetypes
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import NoReturn

from tornado.httputil import HTTPFile

from . import image_description
from .api_errors import ErrorResponse, bad_request
from .field_checks import check_page_limit
from .id_counters import IdCounters
from .message_request import JSON, MessageRequest

MAX_FILE_BYTES = 500 * 1024 * 1024
_MIN_LIFETIME, _MAX_LIFETIME = 3600, 7_776_000
"""Seconds, for ``expires_in_seconds``: an hour to 90 days."""
_FORBIDDEN = re.compile(r'[<>:"|?*\\\x00-\x1f\x7f]')
_UNTYPED = ("", "application/octet-stream", "application/unknown")
_DEFAULT_LIMIT, _MAX_IDS = 20, 100
_MAX_DEPTH = 2
"""The deepest an image can be: in a document's content within a tool result."""


@dataclasses.dataclass(frozen=True)
class StoredFile:
    """An uploaded file; times are in seconds since 1970."""

    id: str
    filename: str
    mime_type: str
    data: bytes
    created: float
    expires: float | None

    def metadata(self) -> JSON:
        """The file as the API describes it."""
        return {
            "id": self.id,
            "type": "file",
            "filename": self.filename,
            "mime_type": self.mime_type,
            "size_bytes": len(self.data),
            "created_at": _timestamp(self.created),
            "downloadable": False,
            "expires_at": None if self.expires is None else _timestamp(self.expires),
        }


class FileStorage:
    """The files of one server.

    Parameters
    ----------
    ids : IdCounters
    clock : callable
        Seconds since 1970; files expire by it.

    Attributes
    ----------
    most_bytes : int
        Limit for one file; a test can lower it.
    """

    def __init__(self, ids: IdCounters, clock: Callable[[], float]) -> None:
        self.most_bytes = MAX_FILE_BYTES
        self._ids = ids
        self._clock = clock
        self._stored: dict[str, StoredFile] = {}

    def upload(self, files: Mapping[str, Sequence[HTTPFile]], fields: Mapping[str, Sequence[bytes]]) -> JSON:
        """Store a file.

        Parameters
        ----------
        files, fields : mapping
            The parts of a multipart body: those with a file name, and the others.
        """
        for name in (*files, *fields):
            if name not in ("file", "expires_in_seconds"):
                raise bad_request(f"{name}: Extra inputs are not permitted")
        nameless = [HTTPFile(filename="", body=data, content_type="") for data in fields.get("file", ())]
        parts = [*files.get("file", ()), *nameless]
        if len(parts) != 1:
            raise bad_request("file: Field required" if not parts else "file: Only one file may be uploaded at a time")
        (part,) = parts
        if not part.body:
            raise bad_request("file: The file is empty")
        if len(part.body) > self.most_bytes:
            raise ErrorResponse(413, f"File exceeds the maximum size of {self.most_bytes} bytes")
        kind = _media_type(part)
        name = PurePosixPath(part.filename).name or f"unnamed{mimetypes.guess_extension(kind) or ''}"
        if len(name) > 255 or _FORBIDDEN.search(name):
            forbidden = '< > : " | ? * \\ / or control characters'
            raise bad_request(f"file: Invalid filename: use 1 to 255 characters without {forbidden}")
        now, life = self._clock(), _lifetime(fields.get("expires_in_seconds", ()))
        stored = StoredFile(self._ids.next("file"), name, kind, part.body, now, None if life is None else now + life)
        self._stored[stored.id] = stored
        return stored.metadata()

    def page(self, limit: str | None, cursor: str | None, ids: Sequence[str]) -> JSON:
        """One page of the list, newest first, or the files with these ids."""
        count = check_page_limit(limit, _DEFAULT_LIMIT)
        newest_first = list(reversed(self._stored.values()))
        if ids:
            if limit is not None or cursor is not None:
                raise bad_request("ids: may not be combined with limit or page")
            if len(set(ids)) > _MAX_IDS:
                raise bad_request(f"ids: List should have at most {_MAX_IDS} items")
            return {"data": [stored.metadata() for stored in newest_first if stored.id in ids], "next_page": None}
        if cursor is not None:
            if not re.fullmatch(r"page_file_sim\d{8,}", cursor):
                raise bad_request("page: Invalid cursor")
            newest_first = [stored for stored in newest_first if stored.id < cursor.removeprefix("page_")]
        shown = newest_first[:count]
        return {
            "data": [stored.metadata() for stored in shown],
            "next_page": f"page_{shown[-1].id}" if len(newest_first) > count else None,
        }

    def get(self, id: str) -> StoredFile:
        """The file with this id; 404 if there is none."""
        if id not in self._stored:
            raise ErrorResponse(404, f"File not found: {id}")
        return self._stored[id]

    def delete(self, id: str) -> JSON:
        """Delete a file."""
        self.get(id)
        del self._stored[id]
        return {"id": id, "type": "file_deleted"}

    def download(self, id: str) -> NoReturn:
        """Refuse the download: the API returns only files that its tools made, and there are none here."""
        self.get(id)
        raise bad_request(f"File {id} is not downloadable.", error_code="file_not_downloadable")

    def insert(self, request: MessageRequest) -> MessageRequest:
        """Replace file ids by the files' content, so that all checks apply to it as well.

        Raises
        ------
        ErrorResponse
            404 for a file that does not exist or has expired, 400 for a type that its block does not accept.
        """
        messages = [
            {**message, "content": self._content(message["content"], f"messages.{i}.content", 0)}
            if isinstance(message, dict) and "content" in message
            else message
            for i, message in enumerate(request.messages)
        ]
        return dataclasses.replace(request, body={**request.body, "messages": messages})

    def _content(self, content: object, path: str, depth: int) -> object:
        if not isinstance(content, list) or depth > _MAX_DEPTH:
            return content
        return [
            self._block(block, f"{path}.{j}", depth) if isinstance(block, dict) else block
            for j, block in enumerate(content)
        ]

    def _block(self, block: JSON, path: str, depth: int) -> JSON:
        kind, source = block.get("type"), block.get("source")
        if kind == "tool_result" and "content" in block:
            return {**block, "content": self._content(block["content"], f"{path}.tool_result.content", depth + 1)}
        if kind not in ("image", "document") or not isinstance(source, dict):
            return block
        if source.get("type") == "content" and "content" in source:
            inner = self._content(source["content"], f"{path}.document.source.content", depth + 1)
            return {**block, "source": {**source, "content": inner}}
        if source.keys() == {"type", "file_id"} and source["type"] == "file" and isinstance(source["file_id"], str):
            return {**block, "source": self._source(kind, source["file_id"], f"{path}.{kind}.source.file.file_id")}
        return block

    def _source(self, kind: str, id: str, path: str) -> JSON:
        stored = self.get(id)
        if stored.expires is not None and stored.expires <= self._clock():
            raise ErrorResponse(404, f"File has expired: {id}", details={"error_code": "file_expired"})
        media_type = stored.mime_type.partition(";")[0].strip().lower()
        if kind == "document" and media_type == "text/plain":
            return {"type": "text", "media_type": media_type, "data": stored.data.decode("utf-8", "replace")}
        if media_type not in (image_description.MEDIA_TYPES if kind == "image" else ("application/pdf",)):
            raise bad_request(f"{path}: `{kind}` blocks do not take files of type {media_type}")
        return {"type": "base64", "media_type": media_type, "data": base64.b64encode(stored.data).decode("ascii")}


def _media_type(part: HTTPFile) -> str:
    """The media type as declared, or else by the file's first bytes or its name."""
    if part.content_type not in _UNTYPED:
        return str(part.content_type)
    if part.body.startswith(b"%PDF"):
        return "application/pdf"
    return (
        image_description.media_type(part.body) or mimetypes.guess_type(part.filename)[0] or "application/octet-stream"
    )


def _lifetime(values: Sequence[bytes]) -> int | None:
    if not values:
        return None
    text = values[-1].decode("utf-8", "replace").strip()
    if not re.fullmatch(r"-?\d{1,18}", text, re.ASCII):
        raise bad_request("expires_in_seconds: Input should be a valid integer, unable to parse string as an integer")
    if int(text) < _MIN_LIFETIME:
        raise bad_request(f"expires_in_seconds: Input should be greater than or equal to {_MIN_LIFETIME}")
    if int(text) > _MAX_LIFETIME:
        raise bad_request(f"expires_in_seconds: Input should be less than or equal to {_MAX_LIFETIME}")
    return int(text)


def _timestamp(seconds: float) -> str:
    return f"{datetime.datetime.fromtimestamp(seconds, datetime.UTC):%Y-%m-%dT%H:%M:%S.%fZ}"
