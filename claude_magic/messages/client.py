"""The client of the Messages API: synchronous, streaming, with retries that callers can follow."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence

from claude_magic.messages.credentials import Credentials
from claude_magic.messages.errors import ClaudeError, NotTheMessagesAPI
from claude_magic.messages.exchange import ExchangeLog, OutgoingRequest, RecentExchanges, RequestBody
from claude_magic.messages.platform import DEFAULT_VERSION, AnthropicAPI, Platform
from claude_magic.messages.reply import Reply
from claude_magic.messages.retry import Listener, Retries
from claude_magic.messages.sse import read_json
from claude_magic.messages.stream import Stream
from claude_magic.messages.transport import Payload, Transport
from claude_magic.messages.wire import JSONObject


class Client:
    """Talks to one server of the Messages API.

    Connections are kept for four minutes between requests, so that the next cell needs no new
    handshake; the system, not the read timeout, notices one that a sleeping laptop lost. Requests to
    this machine never go through a proxy.

    Parameters
    ----------
    base_url : str, optional
        Defaults to ``ANTHROPIC_BASE_URL``, else Anthropic's own API.
    credentials : Credentials, optional
        Defaults to those in the environment.
    version : str
        ``anthropic-version``.
    betas : sequence of str
        ``anthropic-beta``.
    timeout, connect_timeout : float
        Seconds without a byte (a model may think that long in silence), and until connected.
    max_retries : int
        Further attempts after a failure that another attempt may fix.
    platform : Platform, optional
        Another service that hosts the API; it replaces the first four parameters.
    exchanges : ExchangeLog, optional
        Where requests and responses are recorded; defaults to the most recent ones, in memory.

    Raises
    ------
    BadInput
        If the base URL is not valid.
    """

    def __init__(
        self,
        base_url: str | None = None,
        credentials: Credentials | None = None,
        *,
        version: str = DEFAULT_VERSION,
        betas: Sequence[str] = (),
        timeout: float = 600.0,
        connect_timeout: float = 10.0,
        max_retries: int = 2,
        platform: Platform | None = None,
        exchanges: ExchangeLog | None = None,
    ) -> None:
        self.platform = AnthropicAPI(base_url, credentials, version, betas) if platform is None else platform
        self.base_url = self.platform.base_url
        self.credentials = self.platform.credentials
        self.max_retries = max_retries
        self.is_anthropic = self.platform.is_anthropic
        self._transport = Transport(self.platform, timeout, connect_timeout)
        self._exchanges = RecentExchanges() if exchanges is None else exchanges
        self._streams: weakref.WeakSet[Stream] = weakref.WeakSet()

    @property
    def simulated(self) -> bool:
        """Whether the simulator wrote the latest answer."""
        return self._transport.simulated

    @simulated.setter
    def simulated(self, value: bool) -> None:
        self._transport.simulated = value

    def require_credentials(self) -> None:
        """Raise :class:`NoCredentials` early if the server wants a key and there is none."""
        self.identity()

    def identity(self) -> bytes:
        """See :meth:`Platform.identity`."""
        return self.platform.identity()

    def stream(
        self, body: RequestBody, *, prefill: str = "", earlier: tuple[Reply, ...] = (), on_wait: Listener | None = None
    ) -> Stream:
        """Ask for an answer that can be iterated, once, as it is written.

        Parameters
        ----------
        body : RequestBody
            A request with ``"stream": true``.
        prefill : str
            The beginning of the answer, if the request ends with one.
        earlier : tuple of Reply
            The messages that the same answer already has.
        on_wait : callable, optional
            Called with each :class:`Wait` before another attempt.
        """
        stream = Stream(self._transport, self._exchanges, body, self.max_retries, on_wait, prefill, earlier)
        self._streams.add(stream)
        return stream

    def models(self) -> list[JSONObject]:
        """The models that this key may use, newest first (``GET /v1/models``)."""
        data = self._retried(lambda: self.call("GET", "/v1/models?limit=1000")).get("data")
        if not isinstance(data, list):
            raise NotTheMessagesAPI(f"{self.base_url} returned no list of models. Check base_url.")
        return [entry for entry in data if isinstance(entry, dict)]

    def count_tokens(self, body: RequestBody, on_wait: Listener | None = None) -> int:
        """Count the input tokens of a request; the API does this for free.

        Parameters
        ----------
        body : RequestBody
            A request without the fields that concern only the answer.
        on_wait : callable, optional
            As for :meth:`stream`.
        """
        answer = self._retried(lambda: self.call("POST", "/v1/messages/count_tokens", body), on_wait)
        if not isinstance(count := answer.get("input_tokens"), int):
            raise NotTheMessagesAPI(f"{self.base_url} returned no token count. Check base_url.")
        return count

    def call(self, method: str, path: str, body: Payload | None = None) -> JSONObject:
        """Send any request whose answer is one JSON object, such as ``GET /v1/models``. It is not retried."""
        with self._transport.send(method, path, body) as response:
            answer = read_json(response.read())
        if not isinstance(answer, dict):
            raise NotTheMessagesAPI(f"{self.base_url} did not answer as the Messages API does. Check base_url.")
        return answer

    def _retried(self, call: Callable[[], JSONObject], on_wait: Listener | None = None) -> JSONObject:
        retries = Retries(self.max_retries, on_wait)
        while True:
            try:
                return call()
            except ClaudeError as error:
                if (wait := retries.after(error)) is None:
                    raise
            retries.wait(wait)

    def outgoing(self, body: RequestBody) -> OutgoingRequest:
        """A request as it would be sent, without secrets."""
        return self._transport.outgoing(body)

    def abort(self) -> None:
        """Stop every answer that is being read, from any thread."""
        for stream in list(self._streams):
            stream.abort()

    def close(self) -> None:
        """Close the connections; the client can be used again."""
        self._transport.close()

    def __repr__(self) -> str:
        return f"<Client of {self.base_url}, {self.credentials!r}>"
