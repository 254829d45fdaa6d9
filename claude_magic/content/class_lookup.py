"""Recognizing classes of packages that may not be installed, without importing them."""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import TypeVar

T = TypeVar("T")


def known_name(type_: type, names: Container[str]) -> str | None:
    """The name under which a class or one of its bases is known; None if it is not.

    A name is either complete, or the package and the name of the class, because the module that
    defines a class differs between versions (``duckdb._relation``, ``_duckdb``).
    """
    for base in type_.__mro__:
        package = base.__module__.partition(".")[0].lstrip("_")
        for name in (f"{base.__module__}.{base.__qualname__}", f"{package}.{base.__name__}"):
            if name in names:
                return name
    return None


def find_by_class(type_: type, table: Mapping[str, T]) -> T | None:
    """The entry of a table for a class or one of its bases; None if there is none."""
    name = known_name(type_, table)
    return None if name is None else table[name]
