"""The settings of ``%config ClaudeMagics``."""

from __future__ import annotations

from IPython.core.interactiveshell import InteractiveShell
from IPython.core.magic import Magics
from traitlets import All, Bool, Bunch, Enum, Float, Int, List, TraitError, Unicode, observe, validate

from claude_magic.conversation.conversation import Conversations
from claude_magic.engine.budget import amount
from claude_magic.engine.settings import Settings
from claude_magic.messages.errors import BadInput
from claude_magic.notebook.kernel_environment import KernelEnvironment

_DEFAULTS = Settings()


class ConfiguredMagics(Magics):
    """Settings as typed traits; a change is passed on to the conversations and their environment."""

    model = Unicode(help="Model to ask: an id, or opus, sonnet, haiku, fable.").tag(config=True)
    max_tokens = Int(_DEFAULTS.max_tokens, min=1, help="Token limit of an answer, thinking included.").tag(config=True)
    base_url = Unicode(
        "", help="URL of the API (ANTHROPIC_BASE_URL); empty for Anthropic's own; 'simulator' needs no key."
    ).tag(config=True)
    version = Unicode(_DEFAULTS.version, help="anthropic-version of the requests.").tag(config=True)
    betas = List(Unicode(), help="anthropic-beta of the requests.").tag(config=True)
    cache = Enum(["auto", "1h", "off"], _DEFAULTS.cache, help="Prompt caching; auto: five minutes.").tag(config=True)
    rerun = Enum(["replace", "append"], _DEFAULTS.rerun, help="What running a cell again does.").tag(config=True)
    timeout = Float(_DEFAULTS.timeout, min=1, help="Seconds to wait for the next byte.").tag(config=True)
    max_retries = Int(_DEFAULTS.max_retries, min=0, help="Retries when the API is busy.").tag(config=True)
    tool_steps = Int(_DEFAULTS.tool_steps, min=1, help="Limit of messages with tool calls per answer.").tag(config=True)
    tool_seconds = Float(
        _DEFAULTS.tool_seconds, min=0, help="Seconds after which an answer with tool calls must conclude; 0: no limit."
    ).tag(config=True)
    tool_tokens = Int(
        _DEFAULTS.tool_tokens, min=0, help="Tokens after which an answer with tool calls must conclude; 0: no limit."
    ).tag(config=True)
    tool_confirm = Enum(
        ["asked", "all"], _DEFAULTS.tool_confirm, help="Tool calls to confirm: of tools that ask for it, or all."
    ).tag(config=True)
    budget = Float(
        _DEFAULTS.budget,
        allow_none=True,
        help="US dollars for all conversations of this kernel; None: no limit, but 1 dollar in unattended runs.",
    ).tag(config=True)
    budget_tokens = Float(
        _DEFAULTS.budget_tokens, allow_none=True, help="Tokens for models without a known price; None: no limit."
    ).tag(config=True)
    ask_above = Float(
        _DEFAULTS.ask_above, allow_none=True, help="US dollars above which a request needs --yes; None: no limit."
    ).tag(config=True)
    display = Enum(
        ["auto", "live", "markdown", "text"], "auto", help="How answers are displayed; auto depends on the front end."
    ).tag(config=True)
    footer = Enum(
        ["full", "short", "off"], "full", help="The line below an answer; short is the same in every run."
    ).tag(config=True)
    keep_images = Bool(
        default_value=False, help="Keep thumbnails of what was sent above the answer, also in the saved notebook."
    ).tag(config=True)

    def __init__(self, shell: InteractiveShell, conversations: Conversations, environment: KernelEnvironment) -> None:
        self.conversations = conversations
        self.environment = environment
        environment.configurable = self
        super().__init__(shell)
        self.model = self.model or conversations.settings.model
        self.base_url = self.base_url or conversations.settings.base_url
        for name in self.trait_names(config=True):
            self._apply(name, getattr(self, name))

    @validate("budget", "budget_tokens", "ask_above")
    def _is_amount(self, proposal: Bunch) -> float | None:
        try:
            return amount(proposal["trait"].name, proposal["value"])
        except BadInput as error:
            raise TraitError(str(error)) from None  # on which traitlets restores the old value

    @observe(All)
    def _changed(self, change: Bunch) -> None:
        self._apply(change["name"], change["new"])

    def _apply(self, name: str, value: object) -> None:
        for target in (self.conversations.settings, self.environment):
            if name in self.trait_names(config=True) and hasattr(target, name):
                setattr(target, name, value)
