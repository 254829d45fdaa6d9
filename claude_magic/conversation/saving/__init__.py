"""The parts of a saved file: its schema, its attachments, and the folder beside it."""
