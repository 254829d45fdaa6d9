"""What a docstring says about a function and its parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Docs(NamedTuple):
    """The texts of a docstring.

    Attributes
    ----------
    description : str
        Summary and explanation, and what is returned where that is described; empty without any.
    parameters : mapping of str to str
        A text for each parameter that has one.
    """

    description: str
    parameters: Mapping[str, str]


def read(docstring: str | None) -> Docs:
    """The texts of a docstring in the style of numpydoc, Google or reST; of another, the whole of it."""
    import docstring_parser

    parsed = docstring_parser.parse(docstring or "")
    paragraphs = [parsed.short_description, parsed.long_description]
    if parsed.returns and parsed.returns.description:
        paragraphs.append(f"Returns: {parsed.returns.description}")
    parameters = {
        name.strip(): parameter.description
        for parameter in parsed.params
        for name in parameter.arg_name.split(",")  # numpydoc describes two at once as "x, y : float"
        if parameter.description
    }
    return Docs("\n\n".join(filter(None, paragraphs)), parameters)
