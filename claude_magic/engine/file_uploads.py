"""Files that a kernel has uploaded, each content once."""

from __future__ import annotations

import datetime
import hashlib
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from claude_magic.content.uploads import Upload, to_upload
from claude_magic.engine.notice import Notice
from claude_magic.messages import files
from claude_magic.messages.errors import BadInput
from claude_magic.messages.files import File

if TYPE_CHECKING:
    from claude_magic.messages.client import Client


class Files:
    """Files at the API, for questions that come back to them.

    Parameters
    ----------
    client : callable
        Returns the client for the current settings.

    Examples
    --------
    >>> from claude_magic import Conversation
    >>> claude = Conversation()
    >>> report = claude.files.upload("report.pdf")  # doctest: +SKIP
    >>> claude("What does it conclude?", report)  # doctest: +SKIP
    """

    def __init__(self, client: Callable[[], Client]) -> None:
        self._client = client
        self._uploaded: dict[bytes, File] = {}
        self._uploading = threading.Lock()

    def upload(self, value: object, *, expires: int | datetime.timedelta | None = None) -> File:
        """Upload something; the same content is uploaded only once.

        Parameters
        ----------
        value : object
            A path (also as a string), bytes, a picture or a Document. PDFs and texts are uploaded as they are, pictures
            as in a question: upright, without metadata, no larger than any model sees, and at most
            2000 pixels per side, so that they fit into a question with more than 20 pictures.
        expires : int or timedelta, optional
            Seconds after which the API deletes it, an hour to ninety days; by default it stays until
            you delete it.

        Returns
        -------
        File
            Put it into questions in place of the value.

        Raises
        ------
        BadInput
            If it cannot be uploaded; nothing was sent.
        """
        if isinstance(value, File):
            return value
        if isinstance(expires, datetime.timedelta):
            expires = int(expires.total_seconds())
        upload = to_upload(value)
        client = self._client()
        with self._uploading:  # so that two threads with the same content upload it once
            digest = _digest(client, upload, expires)
            known = self._uploaded.get(digest)
            if known is None or known.expired:
                known = files.upload(client, upload.content, upload.filename, upload.mime_type, expires=expires)
                self._uploaded[digest] = known
            return known

    def list(self) -> Sequence[File]:
        """All files of the workspace, whoever uploaded them, newest first."""
        return files.list_all(self._client())

    def delete(self, file: File | str) -> Notice:
        """Delete a file for good.

        Raises
        ------
        NotFound
            If there is no such file.
        """
        if not isinstance(file, File | str):
            raise BadInput(f"delete takes a file or its id, not this {type(file).__name__}.")
        id = file.id if isinstance(file, File) else file
        self._uploaded = {digest: known for digest, known in self._uploaded.items() if known.id != id}
        files.delete(self._client(), id)
        return Notice(f"Deleted {id}. Questions that hold it cannot be sent again.")

    def __repr__(self) -> str:
        held = list(dict.fromkeys(self._uploaded.values()))
        head = f"Files: {len(held)} uploaded by this kernel; upload(value), list() and delete(file)."
        return "\n".join([head, *(f"  {file!r}" for file in held)])


def _digest(client: Client, upload: Upload, expires: int | None) -> bytes:
    """Identifies an upload: this content and type, at this server, for this key and lifetime."""
    running = hashlib.sha256(client.identity() + repr((upload.mime_type, expires)).encode())
    for piece in files.pieces(upload.content):
        running.update(piece)
    return running.digest()
