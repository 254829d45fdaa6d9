"""``claude-magic doctor`` and ``%claude --doctor``: what works, what does not, and how to fix it."""

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
"""How long to wait for a server, a proxy or a name server."""
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
    """One line of the report: ``ok``, ``note``, or ``fail`` if no question can be answered."""

    state: str
    subject: str
    message: str


def report(findings: list[Finding]) -> str:
    """Format the findings, one line each."""
    return "\n".join(f"{found.state:4}  {found.subject:12}  {found.message}" for found in findings)


def examine(conversations: Conversations) -> list[Finding]:
    """Check everything that a question needs, in little more than ten seconds at most.

    Parameters
    ----------
    conversations : Conversations
        Their settings and key are checked.
    """
    network = _network(conversations.settings)
    return [_versions(), _key(conversations), *network, *_server(conversations), _widgets()]


def examine_shell() -> list[Finding]:
    """Check what a notebook started from this shell would use."""
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
        pass  # an error of the address, which is checked below
    message = key_source(conversations)
    if names := sorted(custom_headers()):
        message += f"; ANTHROPIC_CUSTOM_HEADERS sets {', '.join(names)}"
    if os.environ.get("ANTHROPIC_API_KEY") and os.environ.get("ANTHROPIC_AUTH_TOKEN"):
        message += "; ANTHROPIC_AUTH_TOKEN is also set, but not used"
    return Finding("ok", "key", message)


def _network(settings: Settings) -> list[Finding]:
    """Check the proxies and certificates that the environment names."""
    from claude_magic.messages import network

    if settings.base_url.strip().lower() == SIMULATOR:
        return []
    found = []
    try:
        url, _ = network.parse_base_url(settings.base_url or network.DEFAULT_BASE_URL)
    except ClaudeError:
        return []  # reported by the check of the server
    if proxy := network.proxy_for(url):
        parts = urlsplit(proxy)
        where = f"{parts.scheme}://{parts.hostname}" + (f":{parts.port}" if parts.port else "")
        found.append(Finding("ok", "proxy", f"{where} is used for {url}"))
    elif urllib.request.getproxies():
        found.append(Finding("ok", "proxy", f"the environment names proxies, but none for {url}"))
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR") if url.startswith("https:") else ():
        if path := os.environ.get(name):
            exists = Path(path).exists()
            message = f"{name} is {path}" if exists else f"{name} is {path}, which does not exist. Correct or unset it."
            found.append(Finding("ok" if exists else "fail", "certificates", message))
    return found


def _server(conversations: Conversations) -> list[Finding]:
    settings = conversations.settings
    models = sorted({conversation.model for conversation in conversations.values()} or {limits.resolve(settings.model)})
    quick = dataclasses.replace(settings, timeout=_SECONDS, max_retries=0)
    try:
        client = conversations.environment.connect(quick, conversations.credentials)
        client.require_credentials()
        has_key = True
    except NoCredentials:  # the connection can be checked without a key
        client, has_key = conversations.environment.connect(quick, Credentials({"ANTHROPIC_API_KEY": "none"})), False
    except ClaudeError as error:
        return [Finding("fail", "server", str(error))]
    try:
        return _ask_server(client, models, has_key)
    finally:
        client.close()


def _ask_server(client: Client, models: list[str], has_key: bool) -> list[Finding]:
    started = time.monotonic()
    answer = _within(_SECONDS, client.models)
    answers = f"{client.base_url} answers ({time.monotonic() - started:.1f} s)"
    if isinstance(answer, list):
        listed = {str(entry.get("id")) for entry in answer}
        return [
            Finding("ok", "server", f"{answers} and lists {pluralize(len(listed), 'model')}"),
            *(_model(model, listed, client) for model in models),
        ]
    if isinstance(answer, AuthenticationFailed):
        rejected = [Finding("fail", "key", f"It was rejected: {answer}")] if has_key else []
        return [Finding("ok", "server", answers), *rejected]
    if isinstance(answer, NotFound):
        return [Finding("note", "server", f"{answers}, but lists no models; it may not know {models[0]}")]
    return [Finding("fail", "server", str(answer))]


def _model(model: str, listed: set[str], client: Client) -> Finding:
    if model in listed:
        return Finding("ok", "model", f"{model} is available")
    answer = _within(_SECONDS, lambda: client.call("GET", f"/v1/models/{quote(model, safe='')}"))
    if isinstance(answer, dict):  # an alias of a listed model
        return Finding("ok", "model", f"{model} is available as {answer.get('id')}")
    near = " or ".join(limits.nearest(model))
    return Finding(
        "fail", "model", f"{model} is not known there. Try {near}: %config ClaudeMagics.model, ANTHROPIC_MODEL."
    )


def _within(seconds: float, call: Callable[[], Any]) -> Any:
    """Return a call's result or error. It runs in a thread, since a DNS lookup can outlast every timeout."""
    found: list[Any] = []

    def run() -> None:
        try:
            found.append(call())
        except ClaudeError as error:
            found.append(error)

    thread = threading.Thread(target=run, name="claude-magic doctor", daemon=True)
    thread.start()
    thread.join(seconds)
    late = f"No answer within {seconds:.0f} s. Check the network, the proxy and the base URL."
    return found[0] if found else TimedOut(late)


def _widgets() -> Finding:
    """Look for the two extensions of JupyterLab that live answers need; JupyterLab may be installed elsewhere."""
    try:
        from jupyter_core.paths import jupyter_path
    except ModuleNotFoundError:
        return Finding("note", "widgets", "Jupyter is not installed here")

    folders = [Path(folder) for folder in jupyter_path("labextensions")]
    missing = [
        package
        for extension, package in _EXTENSIONS.items()
        if not any((folder / extension / "package.json").is_file() for folder in folders)
    ]
    if not missing:
        return Finding("ok", "widgets", "JupyterLab finds anywidget and ipywidgets, which show live answers")
    fix = f"pip install {' '.join(missing)} where JupyterLab is installed, and reload the page"
    return Finding("note", "widgets", f"answers are shown as Markdown; for live answers, {fix}")
