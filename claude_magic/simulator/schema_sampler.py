"""Generate values for a JSON schema, from the words of the question where possible."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .message_request import JSON

_QUOTED = re.compile(r"\"([^\"\n]+)\"|“([^”\n]+)”|'([^'\n]{2,})'")
_NAMES = re.compile(r"(?<![.!?]\s)(?<!^)\b[A-Z][a-z]+(?: [A-Z][a-z]+)*")
_NUMBERS = re.compile(r"-?\d+(?:\.\d+)?")
_FORMATS = {
    "date": "2026-01-31",
    "date-time": "2026-01-31T12:00:00Z",
    "time": "12:00:00",
    "email": "someone@example.org",
    "uri": "https://example.org/",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "ipv4": "127.0.0.1",
    "ipv6": "::1",
    "hostname": "example.org",
    "duration": "PT1H",
}


class Sampler:
    """Generates values that match JSON schemas.

    Parameters
    ----------
    question : str
        Its quoted words (or else its names) are used as strings and its numbers as numbers, each once, in order.
    """

    def __init__(self, question: str) -> None:
        quoted = ["".join(groups) for groups in _QUOTED.findall(question)]
        self._strings: Iterator[str] = iter(quoted or _NAMES.findall(question))
        self._numbers: Iterator[str] = iter(_NUMBERS.findall(question))
        self._question = question
        self._inside: list[str] = []

    def value(self, schema: object, name: str = "value", root: object = None) -> object:
        """A value that matches a schema.

        Parameters
        ----------
        schema : dict
            JSON schema.
        name : str
            Of the property; used for strings for which the question has no more words.
        root : dict, optional
            The schema in which ``$ref`` is resolved; the schema itself by default.
        """
        root = schema if root is None else root
        if not isinstance(schema, dict):
            return f"simulated {name}"
        if isinstance(reference := schema.get("$ref"), str):
            return self._referred(reference, name, root)
        for key in ("const", "default"):
            if key in schema:
                return schema[key]
        if schema.get("enum"):
            return self._choice(schema["enum"])
        for key in ("anyOf", "oneOf", "allOf"):
            if schema.get(key):
                return self.value(schema[key][0], name, root)
        return self._typed(schema, name, root)

    def _referred(self, reference: str, name: str, root: object) -> object:
        if reference in self._inside:
            return None  # a recursive schema must end somewhere
        self._inside.append(reference)
        value = self.value(follow(reference, root), name, root)
        self._inside.pop()
        return value

    def _typed(self, schema: JSON, name: str, root: object) -> object:
        kind = schema.get("type")
        kind = kind[0] if isinstance(kind, list) and kind else kind
        if kind == "object" or "properties" in schema:
            required = schema.get("required", [])
            properties = schema.get("properties", {})
            return {key: self.value(properties.get(key, {}), key, root) for key in required}
        if kind == "array":
            items = schema.get("items", {})
            circular = isinstance(items, dict) and items.get("$ref") in self._inside
            wanted = max(0 if circular else 1, int(schema.get("minItems", 0)))
            return [self.value(items, name, root) for _ in range(wanted)]
        if kind in ("integer", "number"):
            return self._number(schema, kind)
        if kind == "boolean":
            return True
        return None if kind == "null" else self._string(schema, name)

    def _choice(self, choices: list[object]) -> object:
        words = self._question.lower()
        return next((c for c in choices if isinstance(c, str) and c.lower() in words), choices[0])

    def _number(self, schema: JSON, kind: str) -> float:
        number = float(next(self._numbers, schema.get("minimum", 1)))
        return int(number) if kind == "integer" else number

    def _string(self, schema: JSON, name: str) -> str:
        if schema.get("format") in _FORMATS:
            return _FORMATS[schema["format"]]
        return next(self._strings, f"simulated {name}")


def follow(reference: str, root: object) -> object:
    """The subschema that a ``$ref`` refers to; ``{}`` if it does not exist."""
    for step in reference.split("/")[1:]:
        root = root.get(step, {}) if isinstance(root, dict) else {}
    return root
