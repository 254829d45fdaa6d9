"""``claude-magic doctor`` and ``%claude --doctor``: what works, what does not, and how to mend it."""

from __future__ import annotations

import dataclasses
import os
import platform
import threading
import time
import urllib.request
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote, urlsplit

from claude_magic.conversation.conversation import Conversations
from claude_magic.engine.settings import Settings
from claude_magic.messages import limits
from claude_magic.messages.credentials import Credentials, custom_headers
from claude_magic.messages.errors import AuthenticationFailed, ClaudeError, NoCredentials, NotFound, TimedOut
from claude_magic.messages.text import pluralize
from claude_magic.notebook.card import key_source
from claude_magic.notebook.kernel_environment import SIMULATOR, KernelEnvironment

if TYPE_CHECKING:
    from claude_magic.messages.client import Client

_SECONDS = 10.0
"""A server, a proxy or a name server that has not answered by then does not answer."""
_PACKAGES = (
    "claude_magic",
    "ipython",
    "ipykernel",
    "jupyterlab",
    "notebook",
    "ipywidgets",
    "anywidget",
    "httpx2",
    "pydantic",
)
_EXTENSIONS = {"anywidget": "anywidget", "@jupyter-widgets/jupyterlab-manager": "ipywidgets"}


class Finding(NamedTuple):
    """One line of the report.

    Attributes
    ----------
    state : str
        ``ok``, ``note`` or ``fail``; with a failure nothing can be asked.
    what, said : str
    """

    state: str
    what: str
    said: str


def report(findings: list[Finding]) -> str:
    """The findings, one line each."""
    return "\n".join(f"{found.state:4}  {found.what:12}  {found.said}" for found in findings)


def examine(conversations: Conversations) -> list[Finding]:
    """Look at everything that a question needs; takes ten seconds and a little at most.

    Parameters
    ----------
    conversations : Conversations
        Their settings and key are what is looked at.
    """
    settings, credentials = conversations.settings, conversations.credentials
    return [
        _versions(),
        _key(conversations),
        *_way(settings),
        *_server(conversations, settings, credentials),
        _widgets(),
    ]


def examine_shell() -> list[Finding]:
    """The same for a notebook that would be started from here."""
    kernel = KernelEnvironment(None)
    conversations = Conversations(environment=kernel)
    try:
        return examine(conversations)
    finally:
        conversations.close()
        kernel.close()


def _versions() -> Finding:
    found = [f"Python {platform.python_version()}"]
    for package in _PACKAGES:
        try:
            found.append(f"{package} {metadata.version(package)}")
        except metadata.PackageNotFoundError:
            continue
    return Finding("ok", "versions", ", ".join(found))


def _key(conversations: Conversations) -> Finding:
    try:
        conversations.client.require_credentials()
    except NoCredentials as error:
        return Finding("fail", "key", str(error))
    except ClaudeError:
        pass  # of the address, which is looked at below
    said = key_source(conversations)
    if names := sorted(custom_headers()):
        said += f"; ANTHROPIC_CUSTOM_HEADERS sets {', '.join(names)}"
    if os.environ.get("ANTHROPIC_API_KEY") and os.environ.get("ANTHROPIC_AUTH_TOKEN"):
        said += "; ANTHROPIC_AUTH_TOKEN is set, too, and not used"
    return Finding("ok", "key", said)


def _way(settings: Settings) -> list[Finding]:
    """Proxies and certificates, where the environment names any."""
    from claude_magic.messages import network

    if settings.base_url.strip().lower() == SIMULATOR:
        return []
    found = []
    try:
        url, _ = network.parse_base_url(settings.base_url or network.DEFAULT_BASE_URL)
    except ClaudeError:
        return []  # said where the server is looked for
    if proxy := network.proxy_for(url):
        parts = urlsplit(proxy)
        where = f"{parts.scheme}://{parts.hostname}" + (f":{parts.port}" if parts.port else "")
        found.append(Finding("ok", "proxy", f"{where} stands on the way to {url}"))
    elif urllib.request.getproxies():
        found.append(Finding("ok", "proxy", f"there are proxies in the environment, none for {url}"))
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR") if url.startswith("https:") else ():
        if path := os.environ.get(name):
            there = Path(path).exists()
            said = f"{name} is {path}" if there else f"{name} names {path}, which is not there. Mend or unset it."
            found.append(Finding("ok" if there else "fail", "certificates", said))
    return found


def _server(conversations: Conversations, settings: Settings, credentials: Credentials) -> list[Finding]:
    asked = sorted({conversation.model for conversation in conversations.values()} or {limits.resolve(settings.model)})
    quick = dataclasses.replace(settings, timeout=_SECONDS, max_retries=0)
    try:
        client = conversations.environment.connect(quick, credentials)
        client.require_credentials()
        has_key = True
    except NoCredentials:  # the way there can be tried all the same
        client, has_key = conversations.environment.connect(quick, Credentials({"ANTHROPIC_API_KEY": "none"})), False
    except ClaudeError as error:
        return [Finding("fail", "server", str(error))]
    try:
        return _answers(client, asked, has_key)
    finally:
        client.close()


def _answers(client: Client, asked: list[str], has_key: bool) -> list[Finding]:
    started = time.monotonic()
    answer = _within(_SECONDS, client.models)
    answers = f"{client.where} answers ({time.monotonic() - started:.1f} s)"
    if isinstance(answer, list):
        listed = {str(entry.get("id")) for entry in answer}
        return [
            Finding("ok", "server", f"{answers} and lists {pluralize(len(listed), 'model')}"),
            *(_model(model, listed, client) for model in asked),
        ]
    if isinstance(answer, AuthenticationFailed):
        refused = [Finding("fail", "key", f"It is refused: {answer}")] if has_key else []
        return [Finding("ok", "server", answers), *refused]
    if isinstance(answer, NotFound):
        return [Finding("note", "server", f"{answers}, but lists no models; whether it takes {asked[0]} is not known")]
    return [Finding("fail", "server", str(answer))]


def _model(model: str, listed: set[str], client: Client) -> Finding:
    if model in listed:
        return Finding("ok", "model", f"{model} may be asked")
    answer = _within(_SECONDS, lambda: client.call("GET", f"/v1/models/{quote(model, safe='')}"))
    if isinstance(answer, dict):  # another name of one that is listed
        return Finding("ok", "model", f"{model} may be asked, as {answer.get('id')}")
    near = " or ".join(limits.nearest(model))
    return Finding(
        "fail", "model", f"{model} is not known there. Try {near}: %config ClaudeMagics.model, ANTHROPIC_MODEL."
    )


def _within(seconds: float, call: Callable[[], Any]) -> Any:
    """What a call gives, or the error in which it ends; looking up a name alone can take longer than any timeout."""
    found: list[Any] = []

    def run() -> None:
        try:
            found.append(call())
        except ClaudeError as error:
            found.append(error)

    thread = threading.Thread(target=run, name="claude-magic doctor", daemon=True)
    thread.start()
    thread.join(seconds)
    return (
        found[0]
        if found
        else TimedOut(f"No answer within {seconds:.0f} s. Check the network, the proxy and the base URL.")
    )


def _widgets() -> Finding:
    """The live answer needs two extensions where JupyterLab itself is installed, which may be elsewhere."""
    try:
        from jupyter_core.paths import jupyter_path
    except ModuleNotFoundError:
        return Finding("note", "widgets", "no Jupyter is installed here")

    folders = [Path(folder) for folder in jupyter_path("labextensions")]
    missing = [
        package
        for extension, package in _EXTENSIONS.items()
        if not any((folder / extension / "package.json").is_file() for folder in folders)
    ]
    if not missing:
        return Finding("ok", "widgets", "JupyterLab finds anywidget and ipywidgets: live answers can be drawn")
    mend = f"pip install {' '.join(missing)} where JupyterLab is installed, and reload the page"
    return Finding("note", "widgets", f"no live answers, Markdown works: {mend}")
