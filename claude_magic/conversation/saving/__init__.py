"""The format of a saved conversation: its schema, its attachments, and how they are written to disk."""
