"""JSON schemas in the subset that the API takes for strict tools and structured answers.

What the subset lacks and need not be enforced while Claude writes (bounds, lengths, most patterns) is said in the
description, where Claude still reads it; whoever reads the answer checks it. What changes the form of an answer
(free keys, recursion, values of any kind) is refused, with the way out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NoReturn, TypeAlias
from urllib.parse import unquote

from claude_magic.messages.errors import BadInput

Schema: TypeAlias = dict[str, Any]

MOST_OPTIONAL = 24
"""Fields that may be left out, in one request."""
MOST_UNIONS = 16
"""Fields with more than one type, in one request."""

_FORMATS = frozenset(["date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"])
_TOO_HARD = re.compile(r"\(\?|\\[1-9bBkpPAZz]|\{\d*,?\d{3,}")
"""Lookaround and other special groups, back references, word boundaries and large repetitions of a pattern."""
_KEPT = re.compile(r"#/\$defs/[\w.-]+", re.ASCII)
"""References that stay; all others are written out."""
_NOTES = ("title", "description", "default")
_STRUCTURE = ("type", "properties", "required", "additionalProperties", "items", "prefixItems", "enum", "const")
_SILENT = frozenset(["$schema", "$id", "$anchor", "$comment", "$defs", "definitions", "discriminator"])
"""What says nothing about one answer."""

_STRING = {
    "minLength": "length at least {}",
    "maxLength": "length at most {}",
    "pattern": "matches the regular expression {}",
    "format": "format {}",
}
_ARRAY = {
    "minItems": "length at least {}",
    "maxItems": "length at most {}",
    "uniqueItems": "no item twice",
    "contains": "at least one item like {}",
}
_NUMBER = {
    "minimum": "at least {}",
    "maximum": "at most {}",
    "exclusiveMinimum": "more than {}",
    "exclusiveMaximum": "less than {}",
    "multipleOf": "a multiple of {}",
}
_OBJECT = {"minProperties": "at least {} fields", "maxProperties": "at most {} fields"}
_ANY = {"examples": "for example {}", "enum": "one of {}", "const": "always {}"}
_OF_TYPE = {
    "string": _STRING,
    "array": _ARRAY,
    "integer": _NUMBER,
    "number": _NUMBER,
    "object": _OBJECT,
    "boolean": {},
    "null": {},
}
_WORDS = _STRING | _ARRAY | _NUMBER | _OBJECT | _ANY


def reduced(schema: Mapping[str, Any]) -> Schema:
    """A JSON schema in the subset that the API takes.

    Everything that fits the schema fits the reduced one too, but for keys of an object that the schema does not name.

    Parameters
    ----------
    schema : mapping
        JSON schema, for example one of pydantic's. It is not changed.

    Raises
    ------
    BadInput
        For what cannot be said in the subset; the message names the place.
    """
    return _Reduction(dict(schema)).whole()


def excess(schemas: Iterable[Mapping[str, Any]]) -> str | None:
    """Say which limit of the API the schemas of one request are above together; None if they are not.

    Parameters
    ----------
    schemas : iterable of mapping
        Reduced schemas: those of the strict tools and that of the answer.
    """
    nodes = [node for schema in schemas for node in _nodes(schema)]
    optional = sum(len(set(node.get("properties", ())) - set(node.get("required", ()))) for node in nodes)
    unions = sum(len(node.get("anyOf", ())) > 1 for node in nodes)
    if optional > MOST_OPTIONAL:
        return (
            f"{optional} fields may be left out; the API takes {MOST_OPTIONAL} of these in a request. "
            "Remove defaults or fields, or ask in two questions."
        )
    if unions > MOST_UNIONS:
        return (
            f"{unions} fields have more than one type (None counts as one); the API takes {MOST_UNIONS} of these in "
            "a request. Give fields one type, or ask in two questions."
        )
    return None


def _nodes(schema: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield schema
    for inner in [*(inner for _, inner in _inner(schema)), *schema.get("$defs", {}).values()]:
        if isinstance(inner, Mapping):
            yield from _nodes(inner)


def _inner(schema: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The schemas within a schema, and where they are."""
    for name, inner in schema.get("properties", {}).items():
        yield f".{name}", inner
    if "items" in schema:
        yield "[]", schema["items"]
    for key in ("prefixItems", "anyOf", "oneOf", "allOf"):
        for inner in schema.get(key, ()):
            yield "[]" if key == "prefixItems" else "", inner


def _refuse(place: str, why: str) -> NoReturn:
    raise BadInput(f"In the JSON schema, at {place.lstrip('.') or 'the top'}: {why}")


class _Reduction:
    """One schema on its way into the subset."""

    def __init__(self, root: Schema) -> None:
        self._root = root
        self._definitions: Schema = {}
        self._straight: set[str] = set()

    def whole(self) -> Schema:
        self._refuse_recursion(self._root, "", ("#",))
        top = self._reduce(self._root, "")
        return top | ({"$defs": self._definitions} if self._definitions else {})

    def _refuse_recursion(self, schema: Any, place: str, trail: tuple[str, ...]) -> None:
        if not isinstance(schema, Mapping):
            return
        reference = schema.get("$ref")
        if reference in trail:
            name = "the schema" if reference == "#" else reference.rpartition("/")[2]
            _refuse(
                place,
                f"{name} contains itself, and the API takes no recursive schemas. "
                "Use a flat list whose items name their parent, or write out as many levels as you need.",
            )
        if reference is not None and reference not in self._straight:
            self._refuse_recursion(self._target(reference, place), place, (*trail, reference))
            self._straight.add(reference)
        for step, inner in _inner(schema):
            self._refuse_recursion(inner, place + step, trail)

    def _target(self, reference: str, place: str) -> Any:
        """What a reference points to."""
        if not reference.startswith("#"):
            _refuse(place, f"$ref {reference} points out of the schema. Put what it names under $defs.")
        found: Any = self._root
        try:
            for step in unquote(reference[1:]).split("/")[1:]:
                found = found[step.replace("~1", "/").replace("~0", "~")]
        except (KeyError, TypeError):
            _refuse(place, f"$ref {reference} points to nothing.")
        return found

    def _reduce(self, given: Any, place: str) -> Schema:
        if isinstance(given, dict) and set(given) == {"$ref"} and _KEPT.fullmatch(given["$ref"]):
            return self._kept(given["$ref"], place)
        schema = self._plain(given, place)
        shape: Schema
        if "anyOf" in schema:
            kind, shape = "", {"anyOf": self._branches(schema, place)}
        elif literal := self._literal(schema):
            kind, shape = "", literal
        elif isinstance(kinds := schema.get("type"), list) and len(kinds) != 1:
            notes = {key: schema.pop(key) for key in _NOTES if key in schema}
            return self._reduce(notes | {"anyOf": [schema | {"type": kind} for kind in kinds]}, place)
        else:
            kind = self._kind(schema, place)
            shape = {"type": kind} | self._of_kind(kind, schema, place)
        return shape | self._notes(schema, kind)

    def _kept(self, reference: str, place: str) -> Schema:
        name = reference.rpartition("/")[2]
        if name not in self._definitions:
            self._definitions[name] = _without_echo(name, self._reduce(self._target(reference, place), place))
        return {"$ref": reference}

    def _plain(self, given: Any, place: str) -> Schema:
        """A schema of its own, without ``$ref``, ``allOf`` and ``oneOf`` at the top.

        A reference beside other keys is written out: the API need not know what the two mean together.
        All parts of ``allOf`` become one: objects closed one by one would exclude each other's fields.
        """
        if not isinstance(given, Mapping):
            given = {} if given is True else _refuse(place, f"{given!r} is no schema of a value.")
        schema = {key: value for key, value in given.items() if key not in _SILENT}
        parts = [self._target(schema.pop("$ref"), place)] if "$ref" in schema else []
        parts += schema.pop("allOf", [])
        if "oneOf" in schema:
            parts.append({"anyOf": schema.pop("oneOf")})
        for part in parts:
            schema = self._merged(schema, self._plain(part, place), place)
        return schema

    def _merged(self, one: Schema, other: Schema, place: str) -> Schema:
        """One schema that says what two say."""
        both = one | other
        for key in sorted(one.keys() & other.keys()):
            if one[key] != other[key]:
                both[key] = self._joined(key, one[key], other[key], place)
        return both

    def _joined(self, key: str, one: Any, other: Any, place: str) -> Any:
        if key == "properties":
            common = {
                name: self._merged(self._plain(one[name], place), self._plain(other[name], place), f"{place}.{name}")
                for name in one
                if name in other
            }
            return one | other | common
        if key == "required":
            return [*one, *(name for name in other if name not in one)]
        if key == "description":
            return f"{one}\n{other}"
        if key in ("title", "default"):
            return one
        if key == "additionalProperties" and False in (one, other):
            return False
        if key == "type" and (kinds := [kind for kind in _listed(one) if kind in _listed(other)]):
            return kinds if len(kinds) > 1 else kinds[0]
        return _refuse(place, f"two parts of the schema differ in {key}. Write them as one.")

    def _branches(self, schema: Schema, place: str) -> list[Any]:
        """The schemas of a union, each with what stood beside it."""
        branches = schema.pop("anyOf")
        beside = {key: schema.pop(key) for key in _STRUCTURE if key in schema}
        if beside:
            branches = [self._merged(beside, self._plain(branch, place), place) for branch in branches]
        return [self._reduce(branch, place) for branch in branches] or _refuse(place, "anyOf is empty.")

    def _literal(self, schema: Schema) -> Schema:
        for key, values in (("const", [schema.get("const")]), ("enum", schema.get("enum"))):
            if (
                key in schema
                and values
                and all(value is None or isinstance(value, str | int | float) for value in values)
            ):
                schema.pop("type", None)
                return {key: schema.pop(key)}
        return {}

    def _kind(self, schema: Schema, place: str) -> str:
        kind = _listed(schema.pop("type", None))[0]
        if kind is None and {"properties", "required", "additionalProperties"} & schema.keys():
            kind = "object"
        if kind is None and {"items", "prefixItems"} & schema.keys():
            kind = "array"
        if kind is None:
            _refuse(place, "a value of any kind cannot be asked for. Say which: a type, or a union of types.")
        if kind not in _OF_TYPE:
            _refuse(place, f"{kind!r} is no type of JSON. There are {', '.join(sorted(_OF_TYPE))}.")
        return str(kind)

    def _of_kind(self, kind: str, schema: Schema, place: str) -> Schema:
        if kind == "object":
            return self._object(schema, place)
        if kind == "array":
            return self._array(schema, place)
        shape = {}
        if kind == "string":
            if schema.get("format") in _FORMATS:
                shape["format"] = schema.pop("format")
            if "pattern" in schema and not _TOO_HARD.search(schema["pattern"]):
                shape["pattern"] = schema.pop("pattern")
        return shape

    def _object(self, schema: Schema, place: str) -> Schema:
        required = list(schema.pop("required", ()))
        more = schema.pop("additionalProperties", "properties" not in schema)
        properties = schema.pop("properties", {}) | {}
        properties |= {name: {} for name in required if name not in properties}
        free = bool(more) if isinstance(more, dict) else more is not False and not properties
        if free or "patternProperties" in schema:
            _refuse(
                place,
                "an object with free keys (a dict) cannot be asked for. "
                "Use a list of pairs instead: list[Entry], Entry with a field for the key and one for the value.",
            )
        schema.pop("propertyNames", None)
        fields = {
            name: _without_echo(name, self._reduce(inner, f"{place}.{name}")) for name, inner in properties.items()
        }
        closed = {"properties": fields, "additionalProperties": False}
        return closed | ({"required": required} if required else {})

    def _array(self, schema: Schema, place: str) -> Schema:
        first, more = schema.pop("prefixItems", []), schema.pop("items", None)
        kinds = [*first, *([] if more is False or (more is None and first) else [{} if more is None else more])]
        items = [self._reduce(kind, f"{place}[]") for kind in kinds]
        different: list[Schema] = []
        for item in items:
            bare = {key: value for key, value in item.items() if key not in _NOTES}
            if bare not in different:
                different.append(bare)
        if first and (len(different) > 1 or different != items[:1]):
            schema["items in this order"] = items
        elif not first:
            different = items
        shape: Schema = {"items": different[0] if len(different) == 1 else {"anyOf": different}}
        if "minItems" in schema:
            shape["minItems"] = min(schema["minItems"], 1)
        if schema.get("minItems", 0) <= 1:
            schema.pop("minItems", None)
        return shape

    @staticmethod
    def _notes(schema: Schema, kind: str) -> Schema:
        """Title, description and default; what else there is joins the description in words."""
        notes = {key: schema.pop(key) for key in _NOTES if key in schema}
        meant = _OF_TYPE.get(kind, _WORDS) | _ANY
        meant |= {key: f"{key} {{}}" for key in schema if key not in _WORDS}  # what is left of _WORDS is of other types
        words = [
            text.replace("{}", schema[key] if isinstance(schema[key], str) else _json(schema[key]))
            for key, text in meant.items()
            if schema.get(key, False) is not False
        ]
        if words:
            notes["description"] = " ".join(filter(None, [notes.get("description"), f"({'; '.join(words)})"]))
        return notes


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


def _listed(kind: Any) -> list[Any]:
    return kind if isinstance(kind, list) else [kind]


def _without_echo(name: str, schema: Schema) -> Schema:
    """A schema without a title that only says the name again, as pydantic's do."""
    title = str(schema.get("title", ""))
    echo = re.sub(r"\W|_", "", title).casefold() == re.sub(r"\W|_", "", name).casefold()
    return {key: value for key, value in schema.items() if not (echo and key == "title")}
