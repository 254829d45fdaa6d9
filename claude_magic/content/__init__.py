"""Python values as content blocks of a request: images, tables, documents, text. Start reading at ``convert``."""
