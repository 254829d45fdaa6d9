"""Conversations: their turns and journal, and asking as one transaction."""
