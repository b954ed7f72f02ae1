"""The blocking client of a swarm's gateways."""

from __future__ import annotations

import http.client
import os
import socket
import ssl
import threading
import time
from typing import Any, Iterator, Mapping, Optional

from .event_stream import EventStream, RequestEvent
from .exchange import Attempt, Pause, RequestState, Response, Settings, Steps, get_steps, request_steps


class Gateway:
    """A client of a running swarm. Threads may share the client. Each thread keeps its own connection.

    Args:
        url: the address of the server; default WAGGLE_URL, else WAGGLE_HOST and WAGGLE_HTTP_PORT, else http://127.0.0.1:8080.
        token: a bearer token; default WAGGLE_TOKEN.
        timeout_seconds: the longest time of a call, including retries.
        retries: the number of retries after a broken connection, 429 or 503. All attempts have the same idempotency key, so the swarm computes
            the request once.
    """

    def __init__(
        self, url: Optional[str] = None, *, token: Optional[str] = None, timeout_seconds: float = 30, retries: int = 4, tls: Optional[ssl.SSLContext] = None
    ) -> None:
        self._settings = settings_of(url, token, timeout_seconds, retries)
        self._tls = tls
        self._local = threading.local()

    def request(
        self,
        payload: Any,
        gateway: str,
        *,
        content_type: Optional[str] = None,
        idempotency_key: Optional[str] = None,
        timeout_seconds: Optional[float] = None,
        headers: Optional[Mapping[str, str]] = None,
    ) -> Any:
        """Sends a payload and waits for the answer: a JSON value, or `Media` for any other content type.

        A payload is a value that JSON can represent, or bytes of `content_type`. A second call with the same `idempotency_key` is the same request:
        the swarm does not compute it again, and the call gets the same answer. After `timeout_seconds` the swarm drops the request.

        Raises a GatewayError: InputRefused, BeeFailed, DeadlineExceeded, Unavailable and so on.
        """
        return self._run(
            request_steps(
                self._settings,
                "request",
                payload,
                gateway,
                content_type=content_type,
                idempotency_key=idempotency_key,
                timeout_seconds=timeout_seconds,
                headers=headers,
            )
        )

    def submit(
        self,
        payload: Any,
        gateway: str,
        *,
        content_type: Optional[str] = None,
        idempotency_key: Optional[str] = None,
        timeout_seconds: Optional[float] = None,
        headers: Optional[Mapping[str, str]] = None,
    ) -> str:
        """Sends a payload and returns the request's id as soon as the payload is durable. `get` returns the outcome later.

        Without `timeout_seconds` the request has no deadline. Raises a GatewayError.
        """
        request_id: str = self._run(
            request_steps(
                self._settings,
                "submit",
                payload,
                gateway,
                content_type=content_type,
                idempotency_key=idempotency_key,
                timeout_seconds=timeout_seconds,
                headers=headers,
            )
        )
        return request_id

    def get(self, request_id: str, *, timeout_seconds: Optional[float] = None) -> RequestState:
        """Returns the state of a request. Raises UnknownRequest, or another GatewayError if the server does not answer."""
        state: RequestState = self._run(get_steps(self._settings, request_id, timeout_seconds))
        return state

    def stream(
        self,
        payload: Any,
        gateway: str,
        *,
        content_type: Optional[str] = None,
        idempotency_key: Optional[str] = None,
        timeout_seconds: Optional[float] = None,
        headers: Optional[Mapping[str, str]] = None,
    ) -> Iterator[RequestEvent]:
        """Sends a payload and yields the events of the request as they arrive: parts that bees publish, bees that have finished, and finally the answer.

        If the connection breaks, the stream continues after the last event, at any process that answers. Raises a GatewayError, also if the request
        failed.
        """
        stream = EventStream(
            self._settings,
            payload,
            gateway,
            content_type=content_type,
            idempotency_key=idempotency_key,
            timeout_seconds=timeout_seconds,
            headers=headers,
        )
        return self._events(stream)

    def _events(self, stream: EventStream) -> Iterator[RequestEvent]:
        while not stream.is_over:
            attempt = stream.attempt()
            connection: Optional[http.client.HTTPConnection] = None
            try:
                connection = self._opened(attempt.timeout_seconds)
                answer = self._sent(connection, attempt)
                headers = {name.lower(): value for name, value in answer.getheaders()}
                if answer.status != 200:
                    time.sleep(stream.refused(Response(answer.status, headers, answer.read())))
                    continue
                stream.begun(headers)
                for line in answer:
                    event = stream.line(line)
                    if event is not None:
                        yield event
                    if stream.is_over:
                        return
                raise ConnectionError("the stream ended before the answer")
            except socket.timeout as error:
                time.sleep(stream.broken(TimeoutError(str(error))))
            except (OSError, http.client.HTTPException) as error:
                time.sleep(stream.broken(error))
            finally:
                if connection is not None:
                    connection.close()

    def close(self) -> None:
        """Closes this thread's connection. The next call opens a new connection."""
        connection = getattr(self._local, "connection", None)
        if connection is not None:
            connection.close()
            self._local.connection = None

    def __enter__(self) -> "Gateway":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self, steps: Steps) -> Any:
        result: Any = None
        try:
            while True:
                step = steps.send(result)
                if isinstance(step, Pause):
                    time.sleep(step.seconds)
                    result = None
                else:
                    result = self._attempt(step)
        except StopIteration as end:
            return end.value

    def _attempt(self, attempt: Attempt) -> "Response | OSError":
        ends_at = time.monotonic() + attempt.timeout_seconds
        # A server closes a connection that was idle for a long time. After a failure on a kept connection, a new connection is therefore tried at once.
        for is_kept in (True, False) if getattr(self._local, "connection", None) is not None else (False,):
            try:
                return self._exchange(attempt, max(0.001, ends_at - time.monotonic()))
            except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError) as error:
                self.close()
                if not is_kept:
                    return error
            except socket.timeout as error:
                self.close()
                return TimeoutError(str(error))
            except OSError as error:
                self.close()
                return error
            except http.client.HTTPException as error:
                self.close()
                return ConnectionError(f"the answer is no HTTP: {type(error).__name__}")
        raise AssertionError("the loop returns")

    def _exchange(self, attempt: Attempt, timeout_seconds: float) -> Response:
        answer = self._sent(self._connection(timeout_seconds), attempt)
        body = answer.read()
        return Response(answer.status, {name.lower(): value for name, value in answer.getheaders()}, body)

    @staticmethod
    def _sent(connection: http.client.HTTPConnection, attempt: Attempt) -> http.client.HTTPResponse:
        connection.putrequest(attempt.method, attempt.path, skip_host=True, skip_accept_encoding=True)
        for name, value in attempt.headers.items():
            connection.putheader(name, value)
        if attempt.method == "POST":
            connection.putheader("content-length", str(len(attempt.body)))
        connection.endheaders(attempt.body or None)
        return connection.getresponse()

    def _connection(self, timeout_seconds: float) -> http.client.HTTPConnection:
        connection: Optional[http.client.HTTPConnection] = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._opened(timeout_seconds)
            self._local.connection = connection
        if connection.sock is not None:
            connection.sock.settimeout(timeout_seconds)
        return connection

    def _opened(self, timeout_seconds: float) -> http.client.HTTPConnection:
        address = self._settings.address
        if address.is_secure:
            connection: http.client.HTTPConnection = http.client.HTTPSConnection(
                address.host, address.port, timeout=timeout_seconds, context=self._tls
            )
        else:
            connection = http.client.HTTPConnection(address.host, address.port, timeout=timeout_seconds)
        connection.connect()
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection


def settings_of(url: Optional[str], token: Optional[str], timeout_seconds: float, retries: int) -> Settings:
    """The settings of a client. Without arguments, the address and the token come from the environment."""
    return Settings(
        url or os.environ.get("WAGGLE_URL") or _own_address(),
        token if token is not None else os.environ.get("WAGGLE_TOKEN") or None,
        timeout_seconds,
        retries,
    )


def _own_address() -> str:
    """The address at which Waggle listens when it has this environment."""
    host = os.environ.get("WAGGLE_HOST") or ""
    port = os.environ.get("WAGGLE_HTTP_PORT") or "0"
    shown = "127.0.0.1" if host in ("", "0.0.0.0", "::") else f"[{host}]" if ":" in host else host
    return f"http://{shown}:{8080 if port == '0' else port}"
