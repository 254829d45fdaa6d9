"""What a docstring says about a function and its parameters."""

from __future__ import annotations


def parse_docstring(docstring: str | None) -> tuple[str, dict[str, str]]:
    """Parse the numpydoc, Google or reST style; a docstring in another style is all description.

    Returns
    -------
    description : str
        Summary, extended description, and the description of the return value if there is one; may be empty.
    parameters : dict of str to str
        Descriptions by parameter name, of the parameters that have one.
    """
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
    return "\n\n".join(filter(None, paragraphs)), parameters
