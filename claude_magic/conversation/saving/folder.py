"""A file and the folder beside it, written so that at each moment a whole conversation is there.

What a file refers to is named by its content and written before it; then the file takes the place
of the one from before in one step. A save that fails leaves everything as it was, and of two
kernels that save to one path the last wins. What no file refers to any more is removed when
nobody else is saving or loading; where that cannot be known, it stays.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import secrets
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from claude_magic.messages.errors import BadInput

try:
    import fcntl
except ImportError:  # Windows: nothing is removed there
    fcntl = None  # type: ignore[assignment]

LARGEST = 256 * 2**20
"""Bytes of a file that is read."""
MOST_IN_ALL = 2**30
"""Bytes of all files beside one."""
_CAREFULLY = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
"""No link is followed, no pipe waited for."""
_OURS = re.compile(r"[0-9a-f]{64}(\.[a-z]{3,4})?|\.[0-9a-f]{64}[a-z.]*-[0-9a-f]{16}\.tmp")


def located(path: str | os.PathLike[str]) -> Path:
    """The path of a saved conversation; ``.json`` where it has no suffix.

    Raises
    ------
    BadInput
        If it is none.
    """
    if not isinstance(path, str | os.PathLike) or not os.fspath(path):
        raise BadInput(f"A conversation is saved under a path, for example 'talk.json', not {path!r}.")
    try:
        found = Path(path).expanduser()
        found = found if found.suffix else found.with_suffix(".json")
        return found.resolve()
    except (OSError, ValueError, RuntimeError):
        raise BadInput(f"{path!r} is no path.") from None


def beside(path: Path) -> Path:
    """The folder of a file's pictures and documents."""
    return path.with_name(f"{path.name}.files")


def name_of(data: bytes, suffix: str) -> str:
    """What a content is called."""
    return f"{hashlib.sha256(data).hexdigest()}{suffix}"


def write(path: Path, data: bytes, files: Mapping[str, bytes]) -> None:
    """Write a file and what it refers to; all or nothing.

    Parameters
    ----------
    path : Path
    data : bytes
    files : mapping
        By their names in the folder beside.

    Raises
    ------
    BadInput
        If it cannot be written; what was there is there.
    """
    folder = beside(path)
    try:
        if folder.is_symlink():
            raise OSError(f"{folder.name} is a link")
        if files:
            folder.mkdir(exist_ok=True)
        with _locked(folder) as lock:
            for name, content in files.items():
                _place(folder / name, content)
            _replace(path, data)
            if lock is not None and _alone(lock):
                _collect(path, folder)
    except OSError as error:
        problem = error.strerror or str(error)
        there = os.path.isfile(path)  # noqa: PTH113  (a name that is too long is the name of no file)
        kept = " The file from before is unchanged." if there else ""
        raise BadInput(f"{str(path)!r} cannot be written: {problem}.{kept}") from None


class Reader:
    """Reads a file and what it refers to; nothing else, whatever stands in it.

    Parameters
    ----------
    path : Path
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._room = MOST_IN_ALL
        self._read: dict[str, bytes] = {}

    def text(self) -> bytes:
        """The file itself.

        Raises
        ------
        BadInput
            If it cannot be read.
        """
        try:
            return _bounded(self._path, LARGEST)
        except FileNotFoundError:
            raise BadInput(f"There is no file {str(self._path)!r}.") from None
        except OSError as error:
            raise BadInput(
                f"{str(self._path)!r} cannot be read: {error.strerror or error}. Nothing was loaded."
            ) from None

    def __getitem__(self, name: str) -> bytes:
        """A file beside it, if it holds what its name says."""
        if name in self._read:
            return self._read[name]
        folder = beside(self._path)
        shown = f"{folder.name}/{name}"
        try:
            if folder.is_symlink() or not _OURS.fullmatch(name):
                raise BadInput(f"{shown} is not beside the file. Nothing was loaded.")
            data = _bounded(folder / name, min(LARGEST, self._room))
        except FileNotFoundError:
            raise BadInput(
                f"{shown} is missing: the folder belongs to {self._path.name}. Nothing was loaded."
            ) from None
        except OSError as error:
            raise BadInput(f"{shown} cannot be read: {error.strerror or error}. Nothing was loaded.") from None
        if hashlib.sha256(data).hexdigest() != name[:64]:
            raise BadInput(f"{shown} does not hold what was saved. Nothing was loaded.")
        self._room -= len(data)
        self._read[name] = data
        return data

    @contextlib.contextmanager
    def undisturbed(self) -> Iterator[None]:
        """While this lasts, nothing beside the file is removed."""
        with _locked(beside(self._path)):
            yield


def _bounded(path: Path, most: int) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | _CAREFULLY)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError("it is no regular file")
        data = file.read(most + 1)
    if len(data) > most:
        raise OSError(f"it is larger than {most // 2**20} MB")
    return data


def _place(path: Path, content: bytes) -> None:
    with contextlib.suppress(OSError):
        if path.stat().st_size == len(content) and not path.is_symlink() and path.read_bytes() == content:
            return
    _replace(path, content)


def _replace(path: Path, data: bytes) -> None:
    if path.is_dir():
        raise OSError("there is a folder of that name")
    temporary = path.with_name(f".{path.name}-{secrets.token_hex(8)}.tmp")
    try:
        with temporary.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    with contextlib.suppress(OSError):  # not every system has it
        _synced(path.parent)


def _synced(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[int | None]:
    """Hold the folder against whoever wants to remove from it; None where that is not known to hold."""
    descriptor = None
    if fcntl is not None:
        with contextlib.suppress(OSError):
            descriptor = os.open(folder, os.O_RDONLY)
            fcntl.flock(descriptor, fcntl.LOCK_SH)
    try:
        yield descriptor
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _alone(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _collect(path: Path, folder: Path) -> None:
    """Remove what the file that is there now does not refer to, and what broken saves have left."""
    text = _bounded(path, LARGEST).decode("utf-8", "replace")
    for file in folder.iterdir():
        if _OURS.fullmatch(file.name) and file.name not in text:
            file.unlink(missing_ok=True)
