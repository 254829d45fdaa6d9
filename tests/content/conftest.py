"""The same conversation and notebook as for tests of conversations."""

from __future__ import annotations

from tests.conversation.conftest import claude, home, notebook

__all__ = ["claude", "home", "notebook"]
