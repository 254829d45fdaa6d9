"""JSON schemas in the subset that the API accepts for strict tools and structured output.

Constraints outside the subset that need not be enforced while Claude writes (bounds, lengths, most patterns) move
into the description, where Claude still reads them; the answer is validated afterwards. Whatever changes the
structure of an answer (arbitrary keys, recursion, values of any type) is refused, with advice.
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
"""Optional fields in one request."""
MOST_UNIONS = 16
"""Fields with more than one type in one request."""

_FORMATS = frozenset(["date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"])
_UNSUPPORTED_PATTERN = re.compile(r"\(\?|\\[1-9bBkpPAZz]|\{\d*,?\d{3,}")
"""Lookaround and other special groups, back references, word boundaries and large repetitions."""
_KEPT_REFERENCE = re.compile(r"#/\$defs/[\w.-]+", re.ASCII)
"""References that are kept; all others are inlined."""
_NOTES = ("title", "description", "default")
_STRUCTURE = ("type", "properties", "required", "additionalProperties", "items", "prefixItems", "enum", "const")
_IGNORED = frozenset(["$schema", "$id", "$anchor", "$comment", "$defs", "definitions", "discriminator"])
"""Keywords that do not constrain a value."""

_STRING = {
    "minLength": "length at least {}",
    "maxLength": "length at most {}",
    "pattern": "matches the regular expression {}",
    "format": "format {}",
}
_ARRAY = {
    "minItems": "length at least {}",
    "maxItems": "length at most {}",
    "uniqueItems": "no duplicate items",
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
_PHRASES = _STRING | _ARRAY | _NUMBER | _OBJECT | _ANY


def to_strict(schema: Mapping[str, Any]) -> Schema:
    """Convert a JSON schema into the subset that the API accepts.

    Every value that is valid for the schema is valid for the result, except objects with undeclared keys.

    Parameters
    ----------
    schema : mapping
        JSON schema, for example from pydantic. It is not modified.

    Raises
    ------
    BadInput
        If the subset cannot express something; the message names the place.
    """
    return _Conversion(dict(schema)).result()


def exceeded_limit(schemas: Iterable[Mapping[str, Any]]) -> str | None:
    """Explain which limit of the API the schemas of one request exceed together; None if they do not.

    Parameters
    ----------
    schemas : iterable of mapping
        Strict schemas: those of the strict tools, and the one of the answer.
    """
    nodes = [node for schema in schemas for node in _nodes(schema)]
    optional = sum(len(set(node.get("properties", ())) - set(node.get("required", ()))) for node in nodes)
    unions = sum(len(node.get("anyOf", ())) > 1 for node in nodes)
    if optional > MOST_OPTIONAL:
        return (
            f"{optional} fields may be left out; the API takes {MOST_OPTIONAL} optional fields in a request. "
            "Remove defaults or fields, or split the question in two."
        )
    if unions > MOST_UNIONS:
        return (
            f"{unions} fields have more than one type (None counts as one); the API takes {MOST_UNIONS} such fields "
            "in a request. Give each field one type, or split the question in two."
        )
    return None


def _nodes(schema: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield schema
    for inner in [*(inner for _, inner in _inner(schema)), *schema.get("$defs", {}).values()]:
        if isinstance(inner, Mapping):
            yield from _nodes(inner)


def _inner(schema: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The schemas inside a schema, each with its path."""
    for name, inner in schema.get("properties", {}).items():
        yield f".{name}", inner
    if "items" in schema:
        yield "[]", schema["items"]
    for key in ("prefixItems", "anyOf", "oneOf", "allOf"):
        for inner in schema.get(key, ()):
            yield "[]" if key == "prefixItems" else "", inner


def _refuse(place: str, why: str) -> NoReturn:
    raise BadInput(f"In the JSON schema, at {place.lstrip('.') or 'the top'}: {why}")


class _Conversion:
    """The conversion of one schema."""

    def __init__(self, root: Schema) -> None:
        self._root = root
        self._definitions: Schema = {}
        self._without_cycle: set[str] = set()

    def result(self) -> Schema:
        self._refuse_recursion(self._root, "", ("#",))
        top = self._convert(self._root, "")
        return top | ({"$defs": self._definitions} if self._definitions else {})

    def _refuse_recursion(self, schema: object, place: str, trail: tuple[str, ...]) -> None:
        if not isinstance(schema, Mapping):
            return
        reference = schema.get("$ref")
        if reference in trail:
            name = "the schema" if reference == "#" else reference.rpartition("/")[2]
            _refuse(
                place,
                f"{name} contains itself, and the API does not accept recursive schemas. "
                "Use a flat list whose items name their parent, or write out as many levels as you need.",
            )
        if reference is not None and reference not in self._without_cycle:
            self._refuse_recursion(self._target(reference, place), place, (*trail, reference))
            self._without_cycle.add(reference)
        for step, inner in _inner(schema):
            self._refuse_recursion(inner, place + step, trail)

    def _target(self, reference: str, place: str) -> object:
        """The schema that a reference points to."""
        if not reference.startswith("#"):
            _refuse(place, f"$ref {reference} points outside the schema. Put its target under $defs.")
        found: Any = self._root
        try:
            for step in unquote(reference[1:]).split("/")[1:]:
                found = found[step.replace("~1", "/").replace("~0", "~")]
        except (KeyError, TypeError):
            _refuse(place, f"$ref {reference} points to nothing.")
        return found

    def _convert(self, given: object, place: str) -> Schema:
        if isinstance(given, dict) and set(given) == {"$ref"} and _KEPT_REFERENCE.fullmatch(given["$ref"]):
            return self._keep_reference(given["$ref"], place)
        schema = self._flat(given, place)
        shape: Schema
        if "anyOf" in schema:
            kind, shape = "", {"anyOf": self._branches(schema, place)}
        elif literal := self._literal(schema):
            kind, shape = "", literal
        elif isinstance(kinds := schema.get("type"), list) and len(kinds) != 1:
            notes = {key: schema.pop(key) for key in _NOTES if key in schema}
            return self._convert(notes | {"anyOf": [schema | {"type": kind} for kind in kinds]}, place)
        else:
            kind = self._kind(schema, place)
            shape = {"type": kind} | self._of_kind(kind, schema, place)
        return shape | self._notes(schema, kind)

    def _keep_reference(self, reference: str, place: str) -> Schema:
        name = reference.rpartition("/")[2]
        if name not in self._definitions:
            self._definitions[name] = _trim_title(name, self._convert(self._target(reference, place), place))
        return {"$ref": reference}

    def _flat(self, given: object, place: str) -> Schema:
        """A copy of the schema without ``$ref``, ``allOf`` and ``oneOf`` at the top level.

        A reference next to other keywords is inlined: the API might not combine the two. The parts of
        ``allOf`` are merged: objects that are closed separately would exclude each other's fields.
        """
        if not isinstance(given, Mapping):
            given = {} if given is True else _refuse(place, f"{given!r} is not a schema that a value can match.")
        schema = {key: value for key, value in given.items() if key not in _IGNORED}
        parts = [self._target(schema.pop("$ref"), place)] if "$ref" in schema else []
        parts += schema.pop("allOf", [])
        if "oneOf" in schema:
            parts.append({"anyOf": schema.pop("oneOf")})
        for part in parts:
            schema = self._merged(schema, self._flat(part, place), place)
        return schema

    def _merged(self, one: Schema, other: Schema, place: str) -> Schema:
        """One schema with the constraints of both."""
        both = one | other
        for key in sorted(one.keys() & other.keys()):
            if one[key] != other[key]:
                both[key] = self._joined(key, one[key], other[key], place)
        return both

    def _joined(self, key: str, one: Any, other: Any, place: str) -> Any:
        if key == "properties":
            common = {
                name: self._merged(self._flat(one[name], place), self._flat(other[name], place), f"{place}.{name}")
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
        return _refuse(place, f"two parts of the schema differ in {key}. Merge them into one.")

    def _branches(self, schema: Schema, place: str) -> list[Schema]:
        """The schemas of a union, each merged with the keywords next to the union."""
        branches = schema.pop("anyOf")
        shared = {key: schema.pop(key) for key in _STRUCTURE if key in schema}
        if shared:
            branches = [self._merged(shared, self._flat(branch, place), place) for branch in branches]
        return [self._convert(branch, place) for branch in branches] or _refuse(place, "anyOf is empty.")

    def _literal(self, schema: Schema) -> Schema:
        for key, values in (("const", [schema.get("const")]), ("enum", schema.get("enum"))):
            if key in schema and values and all(isinstance(value, str | int | float | None) for value in values):
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
            _refuse(place, "a value of any kind is not supported. Specify a type, or a union of types.")
        if kind not in _OF_TYPE:
            _refuse(place, f"{kind!r} is not a JSON type. The types are {', '.join(sorted(_OF_TYPE))}.")
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
            if "pattern" in schema and not _UNSUPPORTED_PATTERN.search(schema["pattern"]):
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
                "an object with arbitrary keys (a dict) is not supported. "
                "Use a list of pairs: list[Entry], where Entry has a field for the key and one for the value.",
            )
        schema.pop("propertyNames", None)
        fields = {
            name: _trim_title(name, self._convert(inner, f"{place}.{name}")) for name, inner in properties.items()
        }
        closed = {"properties": fields, "additionalProperties": False}
        return closed | ({"required": required} if required else {})

    def _array(self, schema: Schema, place: str) -> Schema:
        first, more = schema.pop("prefixItems", []), schema.pop("items", None)
        kinds = [*first, *([] if more is False or (more is None and first) else [{} if more is None else more])]
        items = [self._convert(kind, f"{place}[]") for kind in kinds]
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
        """Title, description and default; every other keyword is put into words at the end of the description."""
        notes = {key: schema.pop(key) for key in _NOTES if key in schema}
        phrases = _OF_TYPE.get(kind, _PHRASES) | _ANY
        # Whatever else is in _PHRASES applies to other types.
        phrases |= {key: f"{key} {{}}" for key in schema if key not in _PHRASES}
        words = [
            text.replace("{}", schema[key] if isinstance(schema[key], str) else _json(schema[key]))
            for key, text in phrases.items()
            if schema.get(key, False) is not False
        ]
        if words:
            notes["description"] = " ".join(filter(None, [notes.get("description"), f"({'; '.join(words)})"]))
        return notes


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


def _listed(kind: object) -> list[Any]:
    return kind if isinstance(kind, list) else [kind]


def _trim_title(name: str, schema: Schema) -> Schema:
    """The schema without a title that only repeats the name, as pydantic's titles do."""
    title = str(schema.get("title", ""))
    redundant = re.sub(r"\W|_", "", title).casefold() == re.sub(r"\W|_", "", name).casefold()
    return {key: value for key, value in schema.items() if not (redundant and key == "title")}
