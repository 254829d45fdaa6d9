"""Local files: finding and reading them, with a one-line error if that fails."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from claude_magic.messages.errors import BadInput
from claude_magic.messages.text import one_line

if TYPE_CHECKING:
    from _typeshed import SupportsRead

IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".gif", ".webp", ".bmp", ".tif", ".tiff", ".heic"})


def expand_path(value: str | bytes | os.PathLike[str] | os.PathLike[bytes]) -> Path:
    """A path in which ``~`` is replaced by the home folder."""
    path = Path(os.fsdecode(value))
    with contextlib.suppress(RuntimeError):  # there is no such user
        path = path.expanduser()
    return path


def existing_path(text: str) -> Path | None:
    """The file or folder with this path; None if there is none."""
    if not text or len(text) > 4096 or "\n" in text or "\0" in text:
        return None
    try:
        path = Path(text).expanduser()
        return path if path.exists() else None
    except (OSError, RuntimeError):
        return None


def names_image_or_pdf(value: object) -> bool:
    """Whether a value is a string that is the path of an existing image or PDF file."""
    if not isinstance(value, str) or Path(value[-8:]).suffix.lower() not in IMAGE_SUFFIXES | {".pdf"}:
        return False
    path = existing_path(value)
    return path is not None and path.is_file()


def check_file(path: Path, hint: str = "") -> Path:
    """Return the path of a regular file. A pipe would block the reader, and a device may never end.

    If there is no such file, the hint is added to the error.

    Raises
    ------
    BadInput
        If there is no such file, or it is a folder, a pipe or a device.
    """
    with _explained(path, hint):
        if path.is_dir():
            pattern = f"list(Path({_quoted(path)}).glob('*.png'))"
            raise BadInput(f"{_quoted(path)} is a folder. Send files from it, for example {pattern}.")
        if not path.exists():
            raise FileNotFoundError
        if not path.is_file():
            raise BadInput(f"{_quoted(path)} is not a regular file. Copy its contents to one, and send that.")
    return path


def read_file(path: Path, hint: str = "") -> bytes:
    """The bytes of a regular file; see :func:`check_file`."""
    with _explained(check_file(path, hint), hint):
        return path.read_bytes()


def read_stream(file: SupportsRead[object], name: str) -> bytes:
    """The rest of an open file.

    Raises
    ------
    BadInput
        If it was opened as text.
    """
    data = file.read()
    if not isinstance(data, bytes):
        raise BadInput(f"{name} is a text file. Open it with mode 'rb'.")
    return data


@contextlib.contextmanager
def _explained(path: Path, hint: str) -> Iterator[None]:
    try:
        yield
    except BadInput:
        raise
    except PermissionError:
        raise BadInput(f"You do not have permission to read {_quoted(path)}. Change its permissions.") from None
    except (OSError, ValueError) as error:  # a path with a null character is a ValueError
        problem = getattr(error, "strerror", None) or ""
        if isinstance(error, FileNotFoundError | ValueError) or "name too long" in problem.lower():
            where = "" if path.is_absolute() else f" in {Path.cwd()}"
            raise BadInput(f"There is no file {_quoted(path)}{where}.{hint and ' '}{hint}") from None
        raise BadInput(f"{_quoted(path)} cannot be read: {problem or error}.") from None


def _quoted(path: Path) -> str:
    return repr(one_line(str(path), 200))
