"""Atomic writes of a file and the attachments in the folder next to it.

Attachments are named by the hash of their content and written first; then the file replaces the old
one in a single rename. A save that fails therefore changes nothing, and when two kernels save to the
same path, the last one wins. Attachments that are no longer referenced are removed once nobody else
is saving or loading; where that cannot be determined, they stay.
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
except ImportError:  # Windows has no flock, so nothing is removed there
    fcntl = None  # type: ignore[assignment]

MAX_FILE_BYTES = 256 * 2**20
"""Larger files are not read."""
MAX_TOTAL_BYTES = 2**30
"""Limit for all attachments of a file together."""
_OPEN_FLAGS = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
"""Symbolic links are not followed, and opening a pipe does not block."""
_OWN_NAMES = re.compile(r"[0-9a-f]{64}(\.[a-z]{3,4})?|\.[0-9a-f]{64}[a-z.]*-[0-9a-f]{16}\.tmp")


def resolve_path(path: str | os.PathLike[str]) -> Path:
    """The absolute path of a file, with ``.json`` added if it has no suffix.

    Raises
    ------
    BadInput
        If it is not a valid path.
    """
    if not isinstance(path, str | os.PathLike) or not os.fspath(path):
        raise BadInput(f"Give the path of a file, for example 'talk.json', not {path!r}.")
    try:
        found = Path(path).expanduser()
        found = found if found.suffix else found.with_suffix(".json")
        return found.resolve()
    except (OSError, ValueError, RuntimeError):
        raise BadInput(f"{path!r} is not a valid path.") from None


def attachment_folder(path: Path) -> Path:
    """The folder next to a file that holds its pictures and documents."""
    return path.with_name(f"{path.name}.files")


def attachment_name(data: bytes, suffix: str) -> str:
    """The SHA-256 of the content, with a suffix."""
    return f"{hashlib.sha256(data).hexdigest()}{suffix}"


def write(path: Path, data: bytes, files: Mapping[str, bytes]) -> None:
    """Write a file and its attachments, all or nothing.

    Parameters
    ----------
    path : Path
    data : bytes
    files : mapping
        The content of each attachment by its name.

    Raises
    ------
    BadInput
        If the file cannot be written; an existing one is unchanged.
    """
    folder = attachment_folder(path)
    try:
        if folder.is_symlink():
            raise OSError(f"{folder.name} is a symbolic link")
        if files:
            folder.mkdir(exist_ok=True)
        with _shared_lock(folder) as lock:
            for name, content in files.items():
                _write_if_changed(folder / name, content)
            _replace_atomically(path, data)
            if lock is not None and _try_exclusive(lock):
                _remove_unreferenced(path, folder)
    except OSError as error:
        problem = error.strerror or str(error)
        there = os.path.isfile(path)  # noqa: PTH113  (Path.is_file raises if the name is too long)
        kept = " The existing file is unchanged." if there else ""
        raise BadInput(f"{str(path)!r} cannot be written: {problem}.{kept}") from None


class Reader:
    """Reads a file and its attachments, and nothing else, even if the file names other paths.

    Parameters
    ----------
    path : Path
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._remaining = MAX_TOTAL_BYTES
        self._read: dict[str, bytes] = {}

    def text(self) -> bytes:
        """The content of the file itself.

        Raises
        ------
        BadInput
            If it cannot be read.
        """
        try:
            return _read_bounded(self._path, MAX_FILE_BYTES)
        except FileNotFoundError:
            raise BadInput(f"There is no file {str(self._path)!r}.") from None
        except OSError as error:
            raise BadInput(
                f"{str(self._path)!r} cannot be read: {error.strerror or error}. Nothing was loaded."
            ) from None

    def __getitem__(self, name: str) -> bytes:
        """An attachment by its name, if its content matches the hash."""
        if name in self._read:
            return self._read[name]
        folder = attachment_folder(self._path)
        shown = f"{folder.name}/{name}"
        try:
            if folder.is_symlink() or not _OWN_NAMES.fullmatch(name):
                raise BadInput(f"{shown} is not an attachment of {self._path.name}. Nothing was loaded.")
            data = _read_bounded(folder / name, min(MAX_FILE_BYTES, self._remaining))
        except FileNotFoundError:
            raise BadInput(
                f"{shown} is missing. Keep the folder next to {self._path.name}. Nothing was loaded."
            ) from None
        except OSError as error:
            raise BadInput(f"{shown} cannot be read: {error.strerror or error}. Nothing was loaded.") from None
        if hashlib.sha256(data).hexdigest() != name[:64]:
            raise BadInput(f"{shown} is damaged: its content does not match its name. Nothing was loaded.")
        self._remaining -= len(data)
        self._read[name] = data
        return data

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Keep other kernels from removing attachments while these are read."""
        with _shared_lock(attachment_folder(self._path)):
            yield


def _read_bounded(path: Path, limit: int) -> bytes:
    descriptor = os.open(path, _OPEN_FLAGS)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError("it is not a regular file")
        data = file.read(limit + 1)
    if len(data) > limit:
        raise OSError(f"it is larger than {limit // 2**20} MB")
    return data


def _write_if_changed(path: Path, content: bytes) -> None:
    with contextlib.suppress(OSError):
        if path.stat().st_size == len(content) and not path.is_symlink() and path.read_bytes() == content:
            return
    _replace_atomically(path, content)


def _replace_atomically(path: Path, data: bytes) -> None:
    if path.is_dir():
        raise OSError("there is a folder with this name")
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
    with contextlib.suppress(OSError):  # not every file system supports it
        _sync(path.parent)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _shared_lock(folder: Path) -> Iterator[int | None]:
    """Hold a shared lock on the folder; yields None if it could not be taken."""
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


def _try_exclusive(lock: int) -> bool:
    """Whether the lock could be made exclusive: no other kernel is saving or loading."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _remove_unreferenced(path: Path, folder: Path) -> None:
    """Remove attachments to which the current file does not refer, and temporary files of failed saves."""
    text = _read_bounded(path, MAX_FILE_BYTES).decode("utf-8", "replace")
    for file in folder.iterdir():
        if _OWN_NAMES.fullmatch(file.name) and file.name not in text:
            file.unlink(missing_ok=True)
