"""Tables and records as text, within a budget."""
