"""Python values as the content of a question."""
