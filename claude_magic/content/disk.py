"""Files on disk: where they are and what is in them, or one line on why that cannot be had."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from claude_magic.messages.errors import BadInput
from claude_magic.messages.text import one_line

PICTURES = frozenset({".png", ".jpg", ".jpeg", ".gif", ".webp", ".bmp", ".tif", ".tiff", ".heic"})
"""How the names of picture files end."""


def located(value: str | bytes | os.PathLike[str] | os.PathLike[bytes]) -> Path:
    """A path, with ``~`` as the home folder."""
    path = Path(os.fsdecode(value))
    with contextlib.suppress(RuntimeError):  # there is no such user
        path = path.expanduser()
    return path


def named_by(text: str) -> Path | None:
    """The file or folder of which a text is the path; None if it is just a text."""
    if not text or len(text) > 4096 or "\n" in text or "\0" in text:
        return None
    try:
        path = Path(text).expanduser()
        return path if path.exists() else None
    except (OSError, RuntimeError):
        return None


def names_a_picture(value: object) -> bool:
    """Whether a value is a string, and as a whole the path of a picture or PDF that is there."""
    if not isinstance(value, str) or Path(value[-8:]).suffix.lower() not in PICTURES | {".pdf"}:
        return False
    path = named_by(value)
    return path is not None and path.is_file()


def checked(path: Path, hint: str = "") -> Path:
    """The path, if a regular file is there: a pipe would be waited for, a device may never end.

    Parameters
    ----------
    path : Path
    hint : str
        What else may have been meant, if there is no such file.

    Raises
    ------
    BadInput
    """
    with _explained(path, hint):
        if path.is_dir():
            raise BadInput(f"{_shown(path)} is a folder. Name a file in it: list(Path({_shown(path)}).glob('*.png')).")
        if not path.exists():
            raise FileNotFoundError
        if not path.is_file():
            raise BadInput(f"{_shown(path)} is no regular file. Copy what comes out of it to one.")
    return path


def read(path: Path, hint: str = "") -> bytes:
    """All bytes of a regular file; see :func:`checked`."""
    with _explained(checked(path, hint), hint):
        return path.read_bytes()


@contextlib.contextmanager
def _explained(path: Path, hint: str) -> Iterator[None]:
    try:
        yield
    except BadInput:
        raise
    except PermissionError:
        raise BadInput(f"{_shown(path)} may not be read by you. Change its permissions, or send a copy.") from None
    except (OSError, ValueError) as error:  # a name with a null character is a ValueError
        problem = getattr(error, "strerror", None) or ""
        if isinstance(error, FileNotFoundError | ValueError) or "name too long" in problem.lower():
            where = "" if path.is_absolute() else f" in {Path.cwd()}"
            raise BadInput(f"There is no file {_shown(path)}{where}.{hint and ' '}{hint}") from None
        raise BadInput(f"{_shown(path)} cannot be read: {problem or error}.") from None


def _shown(path: Path) -> str:
    return repr(one_line(str(path), 200))
