"""What ``%config ClaudeMagics`` shows and changes."""

from __future__ import annotations

from typing import Any

from IPython.core.magic import Magics
from traitlets import All, Bool, Enum, Float, Int, List, TraitError, Unicode, observe, validate

from claude_magic.conversation.conversation import Conversations
from claude_magic.engine.budget import amount
from claude_magic.engine.settings import Settings
from claude_magic.messages.errors import BadInput
from claude_magic.notebook.kernel_environment import KernelEnvironment

_DEFAULTS = Settings()


class ConfiguredMagics(Magics):
    """Settings as typed traits, handed on to the conversations and the kernel.

    Parameters
    ----------
    shell : IPython.core.interactiveshell.InteractiveShell
    conversations : Conversations
    kernel : KernelEnvironment
    """

    model = Unicode(help="Model that is asked: an id, or opus, sonnet, haiku, fable.").tag(config=True)
    max_tokens = Int(_DEFAULTS.max_tokens, min=1, help="Most tokens of an answer, thinking included.").tag(config=True)
    base_url = Unicode(
        "", help="Where the API is (ANTHROPIC_BASE_URL); empty for Anthropic's own; 'simulator' needs no key."
    ).tag(config=True)
    version = Unicode(_DEFAULTS.version, help="anthropic-version of the requests.").tag(config=True)
    betas = List(Unicode(), help="anthropic-beta of the requests.").tag(config=True)
    cache = Enum(["auto", "1h", "off"], "auto", help="Prompt caching: five minutes, an hour, or off.").tag(config=True)
    rerun = Enum(["replace", "append"], "replace", help="Whether running a cell again replaces its question.").tag(
        config=True
    )
    timeout = Float(_DEFAULTS.timeout, min=1, help="Seconds without a byte before giving up.").tag(config=True)
    max_retries = Int(_DEFAULTS.max_retries, min=0, help="Further tries when the API is busy.").tag(config=True)
    tool_steps = Int(_DEFAULTS.tool_steps, min=1, help="Most messages of an answer in which Claude calls tools.").tag(
        config=True
    )
    tool_seconds = Float(
        _DEFAULTS.tool_seconds, min=0, help="Seconds after which an answer with calls is to conclude; 0: no limit."
    ).tag(config=True)
    tool_tokens = Int(
        _DEFAULTS.tool_tokens, min=0, help="Tokens after which an answer with calls is to conclude; 0: no limit."
    ).tag(config=True)
    tool_confirm = Enum(
        ["asked", "all"], "asked", help="Which calls need your yes: of tools that want it, or all."
    ).tag(config=True)
    budget = Float(
        None,
        allow_none=True,
        help="US dollars for this kernel, all conversations; None: no limit, but 1 dollar where nobody sits in front.",
    ).tag(config=True)
    budget_tokens = Float(
        None, allow_none=True, help="Tokens for models whose price is not known; None: no limit."
    ).tag(config=True)
    ask_above = Float(
        _DEFAULTS.ask_above, allow_none=True, help="US dollars of a request above which it needs --yes; None: never."
    ).tag(config=True)
    display = Enum(
        ["auto", "live", "markdown", "text"], "auto", help="How answers are drawn; auto goes by the front end."
    ).tag(config=True)
    footer = Enum(
        ["full", "short", "off"], "full", help="The line under an answer; short stays the same from run to run."
    ).tag(config=True)
    keep_images = Bool(
        default_value=False, help="Keep the small pictures of what was sent above the answer, also in the saved file."
    ).tag(config=True)

    def __init__(self, shell: Any, conversations: Conversations, kernel: KernelEnvironment) -> None:
        self.conversations = conversations
        self._kernel = kernel
        kernel.configurable = self
        super().__init__(shell)
        self.model = self.model or conversations.settings.model
        self.base_url = self.base_url or conversations.settings.base_url
        for name in self.trait_names(config=True):
            self._apply(name, getattr(self, name))

    @validate("budget", "budget_tokens", "ask_above")
    def _is_amount(self, proposal: Any) -> float | None:
        try:
            return amount(proposal["trait"].name, proposal["value"])
        except BadInput as error:
            raise TraitError(str(error)) from None  # the one that traitlets takes the change back for

    @observe(All)
    def _changed(self, change: Any) -> None:
        self._apply(change["name"], change["new"])

    def _apply(self, name: str, value: Any) -> None:
        for target in (self.conversations.settings, self._kernel):
            if name in self.trait_names(config=True) and hasattr(target, name):
                setattr(target, name, value)
