"""The asyncio client of a swarm's gateways."""

from __future__ import annotations

import asyncio
import http.client
import io
import ssl
import time
from typing import Any, AsyncIterator, Mapping, Optional, Tuple, Union

from .event_stream import EventStream, RequestEvent
from .exchange import Attempt, Pause, RequestState, Response, Steps, get_steps, request_steps
from .gateway import settings_of


class AsyncGateway:
    """The client `Gateway` for asyncio. Each call opens its own connection.

    Args:
        url, token, timeout_seconds, retries, tls: the same as for `Gateway`.
    """

    def __init__(
        self, url: Optional[str] = None, *, token: Optional[str] = None, timeout_seconds: float = 30, retries: int = 4, tls: Optional[ssl.SSLContext] = None
    ) -> None:
        self._settings = settings_of(url, token, timeout_seconds, retries)
        self._tls = tls

    async def request(
        self,
        payload: Any,
        gateway: str,
        *,
        content_type: Optional[str] = None,
        idempotency_key: Optional[str] = None,
        timeout_seconds: Optional[float] = None,
        headers: Optional[Mapping[str, str]] = None,
    ) -> Any:
        """The same as `Gateway.request`. If the task is cancelled, the connection closes, and the swarm continues with the request."""
        return await self._run(
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

    async def submit(
        self,
        payload: Any,
        gateway: str,
        *,
        content_type: Optional[str] = None,
        idempotency_key: Optional[str] = None,
        timeout_seconds: Optional[float] = None,
        headers: Optional[Mapping[str, str]] = None,
    ) -> str:
        """The same as `Gateway.submit`."""
        request_id: str = await self._run(
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

    async def get(self, request_id: str, *, timeout_seconds: Optional[float] = None) -> RequestState:
        """The same as `Gateway.get`."""
        state: RequestState = await self._run(get_steps(self._settings, request_id, timeout_seconds))
        return state

    async def stream(
        self,
        payload: Any,
        gateway: str,
        *,
        content_type: Optional[str] = None,
        idempotency_key: Optional[str] = None,
        timeout_seconds: Optional[float] = None,
        headers: Optional[Mapping[str, str]] = None,
    ) -> AsyncIterator[RequestEvent]:
        """The same as `Gateway.stream`, for `async for`."""
        stream = EventStream(
            self._settings,
            payload,
            gateway,
            content_type=content_type,
            idempotency_key=idempotency_key,
            timeout_seconds=timeout_seconds,
            headers=headers,
        )
        while not stream.is_over:
            attempt = stream.attempt()
            try:
                async for event in self._events(stream, attempt):
                    yield event
                pause = 0.0
            except _Refused as refused:
                pause = stream.refused(refused.response)
            except asyncio.TimeoutError:
                pause = stream.broken(TimeoutError("timed out"))
            except (OSError, http.client.HTTPException) as error:
                pause = stream.broken(error)
            if pause:
                await asyncio.sleep(pause)

    async def _events(self, stream: EventStream, attempt: Attempt) -> AsyncIterator[RequestEvent]:
        ends_at = time.monotonic() + attempt.timeout_seconds
        # A response to HTTP/1.0 has no chunks, and ends with the connection.
        reader, writer = await self._sent(attempt, "HTTP/1.0")

        async def next_line() -> bytes:
            return await asyncio.wait_for(reader.readline(), max(0.001, ends_at - time.monotonic()))

        try:
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                line = await next_line()
                if not line:
                    raise ConnectionError("the connection closed before the answer")
                head += line
            begun = _response_in(head, "HEAD")
            if begun.status != 200:
                body = await asyncio.wait_for(reader.read(), max(0.001, ends_at - time.monotonic()))
                raise _Refused(Response(begun.status, begun.headers, body))
            stream.begun(begun.headers)
            while True:
                line = await next_line()
                if not line:
                    raise ConnectionError("the stream ended before the answer")
                event = stream.line(line)
                if event is not None:
                    yield event
                if stream.is_over:
                    return
        finally:
            writer.close()

    async def __aenter__(self) -> "AsyncGateway":
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    async def _run(self, steps: Steps) -> Any:
        result: Any = None
        try:
            while True:
                step = steps.send(result)
                if isinstance(step, Pause):
                    await asyncio.sleep(step.seconds)
                    result = None
                else:
                    result = await self._attempt(step)
        except StopIteration as end:
            return end.value

    async def _attempt(self, attempt: Attempt) -> Union[Response, OSError]:
        try:
            return await asyncio.wait_for(self._exchange(attempt), attempt.timeout_seconds)
        except asyncio.TimeoutError:
            return TimeoutError("timed out")
        except OSError as error:
            return error
        except http.client.HTTPException as error:
            return ConnectionError(f"the answer is no HTTP: {type(error).__name__}")

    async def _exchange(self, attempt: Attempt) -> Response:
        reader, writer = await self._sent(attempt, "HTTP/1.1")
        try:
            return _response_in(await reader.read(), attempt.method)
        finally:
            writer.close()

    async def _sent(self, attempt: Attempt, version: str) -> Tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        address = self._settings.address
        tls = (self._tls or ssl.create_default_context()) if address.is_secure else None
        reader, writer = await asyncio.open_connection(address.host, address.port, ssl=tls, limit=_MAX_LINE_BYTES)
        try:
            lines = [f"{attempt.method} {attempt.path} {version}"]
            lines += [f"{name}: {value}" for name, value in attempt.headers.items()]
            lines += ["connection: close", f"content-length: {len(attempt.body)}", "", ""]
            writer.write("\r\n".join(lines).encode("latin-1"))
            writer.write(attempt.body)
            await writer.drain()
            return reader, writer
        except BaseException:
            writer.close()
            raise


class _Refused(Exception):
    """A response without events."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.status)
        self.response = response


class _Received:
    """The received bytes, in the form of a socket from which http.client can read."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def makefile(self, *_: object) -> io.BytesIO:
        return io.BytesIO(self._data)


def _response_in(data: bytes, method: str) -> Response:
    answer = http.client.HTTPResponse(_Received(data), method=method)  # type: ignore[arg-type]
    answer.begin()
    body = answer.read()
    return Response(answer.status, {name.lower(): value for name, value in answer.getheaders()}, body)


_MAX_LINE_BYTES = 64 * 1024 * 1024
