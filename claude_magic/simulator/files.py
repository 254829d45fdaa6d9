"""``/v1/files``: what was uploaded, kept in memory, and put where a message names it."""

from __future__ import annotations

import base64
import dataclasses
import datetime
import mimetypes
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from tornado.httputil import HTTPFile

from . import pictures
from .answers import Ids
from .call import JSON, Call
from .problem import Problem, invalid

MOST_BYTES = 500 * 1024 * 1024
_SHORTEST, _LONGEST = 3600, 7_776_000
_FORBIDDEN = re.compile(r'[<>:"|?*\\\x00-\x1f\x7f]')
_UNTYPED = ("", "application/octet-stream", "application/unknown")
_LIMIT, _MOST_IDS = 20, 100
_DEEPEST = 2
"""A picture may be in a document's content that is in a tool's result."""


@dataclasses.dataclass(frozen=True)
class Stored:
    """A file that was uploaded; times are seconds since 1970."""

    id: str
    filename: str
    mime_type: str
    data: bytes
    created: float
    expires: float | None

    def info(self) -> JSON:
        """The file as the API describes it."""
        return {
            "id": self.id,
            "type": "file",
            "filename": self.filename,
            "mime_type": self.mime_type,
            "size_bytes": len(self.data),
            "created_at": _told(self.created),
            "downloadable": False,
            "expires_at": None if self.expires is None else _told(self.expires),
        }


class Files:
    """The files of one server.

    Parameters
    ----------
    ids : Ids
    clock : callable
        Seconds since 1970; files expire by it.

    Attributes
    ----------
    most_bytes : int
        Of one file.
    """

    def __init__(self, ids: Ids, clock: Callable[[], float]) -> None:
        self.most_bytes = MOST_BYTES
        self._ids = ids
        self._clock = clock
        self._stored: dict[str, Stored] = {}

    def upload(self, files: Mapping[str, Sequence[HTTPFile]], fields: Mapping[str, Sequence[bytes]]) -> JSON:
        """Keep a file.

        Parameters
        ----------
        files, fields : mapping
            The parts of a multipart body, those with a file name and the others.
        """
        for name in (*files, *fields):
            if name not in ("file", "expires_in_seconds"):
                raise invalid(f"{name}: Extra inputs are not permitted")
        nameless = [HTTPFile(filename="", body=data, content_type="") for data in fields.get("file", ())]
        parts = [*files.get("file", ()), *nameless]
        if len(parts) != 1:
            raise invalid("file: Field required" if not parts else "file: Only one file may be uploaded at a time")
        (part,) = parts
        if not part.body:
            raise invalid("file: The file is empty")
        if len(part.body) > self.most_bytes:
            raise Problem(413, f"File exceeds the maximum size of {self.most_bytes} bytes")
        kind = _kind(part)
        name = PurePosixPath(part.filename).name or f"unnamed{mimetypes.guess_extension(kind) or ''}"
        if len(name) > 255 or _FORBIDDEN.search(name):
            raise invalid('file: Invalid filename: 1 to 255 characters, without < > : " | ? * \\ / or control ones')
        now, life = self._clock(), _life(fields.get("expires_in_seconds", ()))
        stored = Stored(self._ids.next("file"), name, kind, part.body, now, None if life is None else now + life)
        self._stored[stored.id] = stored
        return stored.info()

    def page(self, limit: str | None, cursor: str | None, ids: Sequence[str]) -> JSON:
        """One page of the list, newest first; or the files with these ids."""
        if limit is not None and not (limit.isdigit() and 1 <= int(limit) <= 1000):
            raise invalid("limit: Input should be between 1 and 1000")
        newest_first = list(reversed(self._stored.values()))
        if ids:
            if limit is not None or cursor is not None:
                raise invalid("ids: may not be combined with limit or page")
            if len(set(ids)) > _MOST_IDS:
                raise invalid(f"ids: List should have at most {_MOST_IDS} items")
            return {"data": [stored.info() for stored in newest_first if stored.id in ids], "next_page": None}
        if cursor is not None:
            if not re.fullmatch(r"page_file_sim\d{8,}", cursor):
                raise invalid("page: Invalid cursor")
            newest_first = [stored for stored in newest_first if stored.id < cursor.removeprefix("page_")]
        count = int(limit or _LIMIT)
        shown = newest_first[:count]
        return {
            "data": [stored.info() for stored in shown],
            "next_page": f"page_{shown[-1].id}" if len(newest_first) > count else None,
        }

    def one(self, id: str) -> Stored:
        """The file with this id."""
        if id not in self._stored:
            raise Problem(404, f"File not found: {id}")
        return self._stored[id]

    def delete(self, id: str) -> JSON:
        """Forget a file."""
        self.one(id)
        del self._stored[id]
        return {"id": id, "type": "file_deleted"}

    def content(self, id: str) -> Problem:
        """Why a file cannot be downloaded: only those can that tools made, and none does here."""
        self.one(id)
        return invalid(f"File {id} is not downloadable.", error_code="file_not_downloadable")

    def opened(self, call: Call) -> Call:
        """The call with what its files hold where their ids stood, so that it is checked and told like the rest.

        Raises
        ------
        Problem
            404 for a file that is not there, 400 for one that its block does not take.
        """
        messages = [
            {**message, "content": self._content(message["content"], f"messages.{i}.content", 0)}
            if isinstance(message, dict) and "content" in message
            else message
            for i, message in enumerate(call.messages)
        ]
        return dataclasses.replace(call, body={**call.body, "messages": messages})

    def _content(self, content: Any, path: str, depth: int) -> Any:
        if not isinstance(content, list) or depth > _DEEPEST:
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
        stored = self.one(id)
        if stored.expires is not None and stored.expires <= self._clock():
            raise Problem(404, f"File has expired: {id}", details={"error_code": "file_expired"})
        type_ = stored.mime_type.partition(";")[0].strip().lower()
        if kind == "document" and type_ == "text/plain":
            return {"type": "text", "media_type": type_, "data": stored.data.decode("utf-8", "replace")}
        if type_ not in (pictures.MEDIA_TYPES if kind == "image" else ("application/pdf",)):
            raise invalid(f"{path}: `{kind}` blocks do not take files of type {type_}")
        return {"type": "base64", "media_type": type_, "data": base64.b64encode(stored.data).decode("ascii")}


def _kind(part: HTTPFile) -> str:
    """The declared type, or else what the file's beginning or its name says."""
    if part.content_type not in _UNTYPED:
        return str(part.content_type)
    if part.body.startswith(b"%PDF"):
        return "application/pdf"
    return pictures.media_type(part.body) or mimetypes.guess_type(part.filename)[0] or "application/octet-stream"


def _life(values: Sequence[bytes]) -> int | None:
    if not values:
        return None
    text = values[-1].decode("utf-8", "replace").strip()
    if not re.fullmatch(r"-?\d{1,18}", text, re.ASCII):
        raise invalid("expires_in_seconds: Input should be a valid integer, unable to parse string as an integer")
    if int(text) < _SHORTEST:
        raise invalid(f"expires_in_seconds: Input should be greater than or equal to {_SHORTEST}")
    if int(text) > _LONGEST:
        raise invalid(f"expires_in_seconds: Input should be less than or equal to {_LONGEST}")
    return int(text)


def _told(seconds: float) -> str:
    return f"{datetime.datetime.fromtimestamp(seconds, datetime.UTC):%Y-%m-%dT%H:%M:%S.%fZ}"
