"""One call of a gateway, without network access: the requests to send, the retries, and the meaning of answers.

The steps of a call are a generator, so that the blocking client and the asyncio client share all decisions. The generator yields an `Attempt` and
gets its `Response` or OSError, or it yields a `Pause` and is resumed afterwards. Its return value is the result of the call.
"""

from __future__ import annotations

import json
import random
import re
import time
import uuid
from typing import Any, Callable, Dict, Generator, Mapping, Optional, Tuple, Union
from urllib.parse import quote, urlsplit

from .errors import BadResult
from .payload import Media, dumps, is_array
from .problems import DeadlineExceeded, GatewayError, Unavailable, problem_in, problem_of


class Address:
    """The address at which a gateway listens."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{url!r} is no address of a gateway: give one such as http://127.0.0.1:8080")
        self.is_secure = parts.scheme == "https"
        self.host = parts.hostname
        self.port = parts.port or (443 if self.is_secure else 80)
        self.path = parts.path.rstrip("/")
        self.shown = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"

    @property
    def host_header(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.is_secure else 80) else f"{host}:{self.port}"


class Attempt:
    """One HTTP request. `timeout_seconds` is the longest time from its start to the end of the response."""

    def __init__(self, method: str, path: str, headers: Mapping[str, str], body: bytes, timeout_seconds: float) -> None:
        self.method = method
        self.path = path
        self.headers = headers
        self.body = body
        self.timeout_seconds = timeout_seconds


class Pause:
    """A wait before the next attempt."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds


class Response:
    """An HTTP response, with lower-case names of headers."""

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body


class RequestState:
    """The state of a request.

    Attributes:
        state: "pending", "answered" or "failed".
        answer: the answer, if the state is "answered"; else None.
        problem: the error, if the state is "failed"; else None. The error is not raised.
    """

    def __init__(self, request_id: str, state: str, answer: Any, problem: Optional[GatewayError]) -> None:
        self.request_id = request_id
        self.state = state
        self.answer = answer
        self.problem = problem

    def __repr__(self) -> str:
        return f"RequestState({self.request_id!r}, {self.state!r})"


class Settings:
    """The settings of a client: the address, the token, the timeout and the number of retries."""

    def __init__(self, url: str, token: Optional[str], timeout_seconds: float, retries: int) -> None:
        if retries < 0:
            raise ValueError(f"retries is {retries}: give 0 or more")
        check_seconds(timeout_seconds)
        self.address = Address(url)
        self.token = token
        self.timeout_seconds = timeout_seconds
        self.retries = retries


Steps = Generator[Union[Attempt, Pause], Union[Response, OSError, None], Any]


def request_steps(
    settings: Settings,
    verb: str,
    payload: Any,
    gateway: str,
    *,
    content_type: Optional[str],
    idempotency_key: Optional[str],
    timeout_seconds: Optional[float],
    headers: Optional[Mapping[str, str]],
) -> Steps:
    """The steps of `request` or `submit`. Every attempt has the same idempotency key, so the swarm computes the request once."""
    path, sent, body = posted(verb, payload, gateway, content_type=content_type, idempotency_key=idempotency_key, headers=headers)
    if timeout_seconds is not None:
        check_seconds(timeout_seconds)
    read = _answer_of if verb == "request" else _request_id_of
    has_deadline = verb == "request" or timeout_seconds is not None
    total = timeout_seconds if timeout_seconds is not None else settings.timeout_seconds
    return _steps(settings, "POST", path, sent, body, total, read, has_deadline=has_deadline)


def posted(
    verb: str,
    payload: Any,
    gateway: str,
    *,
    content_type: Optional[str],
    idempotency_key: Optional[str],
    headers: Optional[Mapping[str, str]],
) -> Tuple[str, Dict[str, str], bytes]:
    """The path, the headers and the body of a request."""
    if not isinstance(gateway, str) or gateway == "":
        raise ValueError("gateway is missing: give the name of the swarm's gateway-input")
    body, own_type = encoded_payload(payload, content_type)
    sent = {name.lower(): value for name, value in (headers or {}).items()}
    for name, value in sent.items():
        if not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(value):
            raise ValueError(f"the header {name[:80]!r} has a name or a value that HTTP does not carry")
    sent["content-type"] = own_type
    sent["idempotency-key"] = _checked_key(idempotency_key)
    return f"/v1/gateways/{quote(gateway, safe='')}/{verb}", sent, body


def get_steps(settings: Settings, request_id: str, timeout_seconds: Optional[float]) -> Steps:
    """The steps of `get`."""
    total = settings.timeout_seconds if timeout_seconds is None else timeout_seconds
    return _steps(settings, "GET", f"/v1/requests/{quote(request_id, safe='')}", {}, b"", total, _state_of, has_deadline=False)


def _steps(
    settings: Settings,
    method: str,
    path: str,
    headers: Dict[str, str],
    body: bytes,
    total_seconds: float,
    read: Callable[[Response], Any],
    *,
    has_deadline: bool,
) -> Steps:
    address = settings.address
    headers.update({"host": address.host_header, "accept": "*/*"})
    if settings.token is not None:
        headers["authorization"] = f"Bearer {settings.token}"
    ends_at = time.monotonic() + total_seconds
    for retry in range(settings.retries + 1):
        left = ends_at - time.monotonic()
        if left <= 0:
            raise DeadlineExceeded(f"{address.shown} gave no answer within {total_seconds:g} s")
        if has_deadline:
            headers["x-timeout-seconds"] = f"{min(max(left, 0.001), MAX_TIMEOUT_SECONDS):.3f}"
        # The server answers 504 at the deadline. The client waits a little longer, so that the answer 504 can arrive.
        outcome = yield Attempt(method, address.path + path, headers, body, left + (GRACE_SECONDS if has_deadline else 0))
        failure, wait = _failure_of(outcome, address, total_seconds)
        if failure is None:
            assert isinstance(outcome, Response)
            return read(outcome)
        if wait is None or retry == settings.retries:
            raise failure
        pause = max(wait, back_off(retry))
        if time.monotonic() + pause >= ends_at:
            raise failure
        yield Pause(pause)
    raise AssertionError("the loop returns or raises")


def _failure_of(outcome: Union[Response, OSError, None], address: Address, total_seconds: float) -> Tuple[Optional[GatewayError], Optional[float]]:
    """The error of an attempt, None after a success. Also the shortest pause in seconds before the next attempt, None if there is no next attempt."""
    if isinstance(outcome, TimeoutError):
        return DeadlineExceeded(f"{address.shown} gave no answer within {total_seconds:g} s"), None
    if isinstance(outcome, OSError):
        reason = outcome.strerror or str(outcome) or type(outcome).__name__
        return Unavailable(f"{address.shown} cannot be reached ({reason}): start the swarm, or correct the address"), 0
    assert outcome is not None
    if 200 <= outcome.status < 300:
        return None, None
    wait = retry_after(outcome) if outcome.status in (429, 503) else None
    return problem_of(outcome.status, outcome.body, outcome.headers), wait


def encoded_payload(payload: Any, content_type: Optional[str]) -> Tuple[bytes, str]:
    """A payload as the body of a request, with its content type: bytes unchanged, arrays of numpy as tensors, any other payload as JSON."""
    if isinstance(payload, (bytes, bytearray, memoryview)):
        own = payload.content_type if isinstance(payload, Media) else "application/octet-stream"
        return bytes(payload), content_type or own
    if content_type is not None and content_type.split(";")[0].strip().lower() != "application/json":
        raise ValueError(f"content_type is {content_type}, and the payload is {type(payload).__name__}: encode it to bytes first")
    if is_array(payload):
        raise ValueError("an array of numpy is no payload of a gateway: send payload.tolist(), or its bytes")
    try:
        return dumps(payload), "application/json"
    except BadResult as error:
        raise ValueError(f"the payload cannot be sent: {error}") from None


def decoded_answer(body: bytes, content_type: str) -> Any:
    """The value of an answer: the parsed value of JSON, else a Media."""
    if content_type.split(";")[0].strip().lower() == "application/json":
        return json.loads(body)
    return Media(body, content_type or "application/octet-stream")


def _answer_of(response: Response) -> Any:
    return decoded_answer(response.body, response.headers.get("content-type", ""))


def _request_id_of(response: Response) -> str:
    return str(json.loads(response.body)["request_id"])


def _state_of(response: Response) -> RequestState:
    fields = json.loads(response.body)
    problem = fields.get("problem")
    return RequestState(
        fields["request_id"],
        fields["state"],
        fields.get("answer"),
        None if problem is None else problem_in({**problem, "request_id": fields["request_id"]}),
    )


def _checked_key(key: Optional[str]) -> str:
    if key is None:
        return str(uuid.uuid4())
    if not 1 <= len(key) <= 255 or not key.isascii() or not key.isprintable():
        raise ValueError(f"{key[:80]!r} is no idempotency key: use 1 to 255 printable ASCII characters")
    return key


def check_seconds(seconds: float) -> None:
    if not 0 < seconds <= MAX_TIMEOUT_SECONDS:
        raise ValueError(f"timeout_seconds is {seconds}: give a number above 0 and at most {MAX_TIMEOUT_SECONDS}")


def retry_after(response: Response) -> float:
    try:
        return min(max(0.0, float(response.headers.get("retry-after", "0"))), _MAX_PAUSE_SECONDS)
    except ValueError:
        return 0.0


def back_off(retry: int) -> float:
    """The pause before a retry: up to 0.1 s, then twice as long each time. The random part prevents many clients from retrying at the same time."""
    return float(min(_MAX_PAUSE_SECONDS, 0.1 * 2**retry) * random.uniform(0.5, 1))


_HEADER_NAME = re.compile(r"[a-z0-9!#$%&'*+.^_`|~-]+")
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e\xa0-\xff]*")
MAX_TIMEOUT_SECONDS = 86_400
_MAX_PAUSE_SECONDS = 10.0
GRACE_SECONDS = 5.0
