"""What a docstring says about a function and its parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class DocstringTexts(NamedTuple):
    """The texts of a docstring.

    Attributes
    ----------
    description : str
        Summary, extended description, and the description of the return value if there is one; may be empty.
    parameters : mapping of str to str
        Descriptions by parameter name, of the parameters that have one.
    """

    description: str
    parameters: Mapping[str, str]


def parse_docstring(docstring: str | None) -> DocstringTexts:
    """Parse the numpydoc, Google or reST style; a docstring in another style is all description."""
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
    return DocstringTexts("\n\n".join(filter(None, paragraphs)), parameters)
