"""Settings that hold for all conversations of a kernel until they are changed."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from typing import Any

from claude_magic.messages.limits import DEFAULT_MAX_TOKENS, DEFAULT_MODEL


@dataclasses.dataclass
class Settings:
    """Settings, with their defaults.

    Attributes
    ----------
    model : str
        Id or alias; ``ANTHROPIC_MODEL``, else claude-sonnet-5-5.
    max_tokens : int
        Upper limit of an answer in tokens, thinking included; never above the model's own.
    base_url : str
        ``ANTHROPIC_BASE_URL``; empty for Anthropic's own address.
    version : str
        ``anthropic-version``.
    betas : list of str
        ``anthropic-beta``.
    cache : str
        ``auto`` (five minutes), ``1h`` or ``off``.
    rerun : str
        ``replace`` or ``append``.
    timeout : float
        Seconds without a byte.
    max_retries : int
    tool_steps : int
        Most messages of one answer in which Claude calls tools.
    tool_seconds, tool_tokens : float, int
        After these an answer that calls tools is asked to conclude; 0 for no limit.
    tool_confirm : str
        ``asked`` (calls of tools that ask for it) or ``all``.
    budget : float or None
        US dollars that all conversations of a kernel may spend; None: no limit, but 1 dollar in
        unattended runs.
    budget_tokens : float or None
        Tokens that they may use of models whose price is not known.
    ask_above : float or None
        US dollars of one request above which it needs ``--yes``.
    """

    model: str = dataclasses.field(default_factory=lambda: os.environ.get("ANTHROPIC_MODEL") or DEFAULT_MODEL)
    max_tokens: int = DEFAULT_MAX_TOKENS
    base_url: str = dataclasses.field(default_factory=lambda: os.environ.get("ANTHROPIC_BASE_URL", ""))
    version: str = "2023-06-01"
    betas: list[str] = dataclasses.field(default_factory=list)
    cache: str = "auto"
    rerun: str = "replace"
    timeout: float = 600.0
    max_retries: int = 2
    tool_steps: int = 20
    tool_seconds: float = 0.0
    tool_tokens: int = 0
    tool_confirm: str = "asked"
    budget: float | None = None
    budget_tokens: float | None = None
    ask_above: float | None = 0.5


@dataclasses.dataclass(frozen=True)
class ToolLimits:
    """Which calls need confirmation, and how far an answer may go with calls.

    Attributes
    ----------
    confirm : str
        ``asked`` (the calls of tools that ask for it) or ``all``.
    steps : int
        Most messages of one answer in which Claude calls tools.
    seconds : float
        0 for no limit.
    tokens : int
        Input and output of the answer; 0 for no limit.
    always : list of callable
        Functions that the user allowed for good; an ``always`` is added to it.
    """

    confirm: str
    steps: int
    seconds: float
    tokens: int
    always: list[Callable[..., Any]]
