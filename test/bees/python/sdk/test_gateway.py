import asyncio
import json
import os
import socket
import threading
import time
import unittest
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from unittest import mock

import bytewax.gateway
import waggle
from waggle import AsyncGateway, Gateway, Media, problems

JSON = {"content-type": "application/json"}


def answer(value, status=200, **headers):
    return status, {**JSON, **{name.replace("_", "-"): text for name, text in headers.items()}}, json.dumps(value).encode()


def problem(status, code, **fields):
    return answer({"title": "No", "status": status, "detail": "It went wrong", "code": code, "request_id": "r-1", **fields}, status)


class Server:
    """A server that gives the answers of a list, and keeps what it was asked. "drop" closes the connection without an answer."""

    def __init__(self, answers):
        self.asked = []
        answers = iter(answers)
        asked = self.asked

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_one(self):
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                asked.append((self.command, self.path, {name.lower(): value for name, value in self.headers.items()}, body))
                given = next(answers)
                if given == "drop":
                    self.close_connection = True
                    self.connection.shutdown(socket.SHUT_RDWR)
                elif given == "cut":
                    self.close_connection = True
                    self.wfile.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{")
                elif given == "rubbish":
                    self.close_connection = True
                    self.wfile.write(b"\x00\x01 what\r\n\r\n")
                elif given == "never":
                    self.close_connection = True
                    time.sleep(1.5)
                else:
                    status, headers, body = given
                    self.send_response(status)
                    for name, value in headers.items():
                        self.send_header(name, value)
                    self.send_header("content-length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)

            do_GET = do_POST = handle_one

            def log_message(self, *_):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"
        self.thread = threading.Thread(target=self.http.serve_forever, args=(0.01,), daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.http.shutdown()
        self.http.server_close()


class Blocking:
    def client(self, *arguments, **options):
        return Gateway(*arguments, **options)


class Awaited:
    """AsyncGateway with the face of Gateway."""

    def client(self, *arguments, **options):
        gateway = AsyncGateway(*arguments, **options)

        class Face:
            def __getattr__(self, name):
                return lambda *given, **named: asyncio.run(getattr(gateway, name)(*given, **named))

        return Face()


class GatewayTests:
    def setUp(self):
        patch = mock.patch.object(waggle.exchange, "back_off", lambda retry: 0)
        patch.start()
        self.addCleanup(patch.stop)

    def test_a_request_sends_json_and_returns_the_json_of_the_answer(self):
        with Server([answer("goodbye Bee"), answer(None), answer({"a": [1]})]) as server:
            gateway = self.client(server.url + "/")
            self.assertEqual(gateway.request({"name": "Bee"}, gateway="hello world/1"), "goodbye Bee")
            self.assertIsNone(gateway.request("text", gateway="hello"))
            self.assertEqual(gateway.request([1.5, None], "hello"), {"a": [1]})
        (method, path, headers, body), second, third = server.asked
        self.assertEqual((method, path, json.loads(body)), ("POST", "/v1/gateways/hello%20world%2F1/request", {"name": "Bee"}))
        self.assertEqual((headers["content-type"], headers["host"]), ("application/json", server.url[len("http://") :]))
        self.assertTrue(29 < float(headers["x-timeout-seconds"]) <= 30)
        self.assertEqual((second[3], third[3]), (b'"text"', b"[1.5,null]"))
        self.assertEqual(len({one[2]["idempotency-key"] for one in server.asked}), 3)

    def test_bytes_are_sent_and_received_with_their_media_type(self):
        with Server([(200, {"content-type": "image/png"}, b"\x89PNG"), answer(1), answer(1)]) as server:
            gateway = self.client(server.url)
            picture = gateway.request(Media(b"jpeg", "image/jpeg"), gateway="g")
            gateway.request(bytearray(b"raw"), gateway="g")
            gateway.request(b"raw", gateway="g", content_type="text/csv")
        self.assertEqual((picture, picture.content_type), (b"\x89PNG", "image/png"))
        self.assertEqual([(one[2]["content-type"], one[3]) for one in server.asked], [("image/jpeg", b"jpeg"), ("application/octet-stream", b"raw"), ("text/csv", b"raw")])

    def test_submit_returns_the_id_and_sets_no_deadline(self):
        with Server([answer({"request_id": "r-7"}, 202), answer({"request_id": "r-8"}, 202)]) as server:
            gateway = self.client(server.url)
            self.assertEqual(gateway.submit({"a": 1}, gateway="g"), "r-7")
            self.assertEqual(gateway.submit({"a": 1}, gateway="g", timeout_seconds=5, idempotency_key="k", headers={"TraceParent": "00-1"}), "r-8")
        first, second = (one[2] for one in server.asked)
        self.assertNotIn("x-timeout-seconds", first)
        self.assertEqual((second["x-timeout-seconds"][:1], second["idempotency-key"], second["traceparent"]), ("4" if second["x-timeout-seconds"] < "5" else "5", "k", "00-1"))

    def test_get_returns_the_state_with_its_answer_or_problem(self):
        failed = {"title": "No", "status": 422, "detail": "no face", "code": "WAGGLE_REFUSED", "bee": "look"}
        with Server(
            [
                answer({"request_id": "r", "state": "pending", "answer": None, "problem": None}),
                answer({"request_id": "r", "state": "answered", "answer": {"a": 1}, "problem": None}),
                answer({"request_id": "r", "state": "failed", "answer": None, "problem": failed}),
                problem(404, "WAGGLE_UNKNOWN_REQUEST"),
            ]
        ) as server:
            gateway = self.client(server.url)
            self.assertEqual((gateway.get("r").state, gateway.get("r").answer), ("pending", {"a": 1}))
            state = gateway.get("r")
            self.assertIsInstance(state.problem, problems.InputRefused)
            self.assertEqual((state.state, state.problem.bee, state.problem.detail, state.problem.request_id), ("failed", "look", "no face", "r"))
            with self.assertRaises(problems.UnknownRequest):
                gateway.get("a/b")
        self.assertEqual(server.asked[-1][:2], ("GET", "/v1/requests/a%2Fb"))

    def test_a_problem_becomes_the_error_of_its_status(self):
        cases = [
            (400, "WAGGLE_BAD_BODY", problems.BadRequest),
            (401, "WAGGLE_X", problems.NotAllowed),
            (403, "WAGGLE_CROSS_SITE", problems.NotAllowed),
            (404, "WAGGLE_UNKNOWN_GATEWAY", problems.UnknownGateway),
            (413, "WAGGLE_BODY_TOO_LARGE", problems.PayloadTooLarge),
            (415, "WAGGLE_CONTENT_TYPE", problems.UnsupportedMediaType),
            (422, "WAGGLE_REFUSED", problems.InputRefused),
            (422, "WAGGLE_KEY_REUSED", problems.IdempotencyConflict),
            (500, "WAGGLE_INTERNAL", problems.GatewayError),
            (502, "WAGGLE_BEE_FAILED", problems.BeeFailed),
            (504, "WAGGLE_NO_OUTCOME", problems.DeadlineExceeded),
        ]
        with Server([problem(status, code, bee="b") for status, code, _ in cases]) as server:
            gateway = self.client(server.url)
            for status, code, kind in cases:
                with self.subTest(status=status, code=code), self.assertRaises(problems.GatewayError) as caught:
                    gateway.request(1, gateway="g")
                error = caught.exception
                self.assertIs(type(error), kind)
                self.assertEqual((error.status, error.code, error.detail, error.request_id, error.bee), (status, code, "It went wrong", "r-1", "b"))
                self.assertEqual(str(error), f"b: It went wrong ({code})")
        self.assertEqual(len(server.asked), len(cases), "none of them is tried again")

    def test_an_error_page_of_a_proxy_becomes_an_error(self):
        pages = [(502, {"content-type": "text/html"}, b"<h1>Bad gateway</h1>"), (500, {}, b""), (418, JSON, b"[1]"), (400, JSON, b'{"detail": 7}')]
        with Server(pages) as server:
            gateway = self.client(server.url)
            for status, detail in [(502, "<h1>Bad gateway</h1>"), (500, "HTTP status 500"), (418, "[1]"), (400, '{"detail": 7}')]:
                with self.assertRaises(problems.GatewayError) as caught:
                    gateway.request(1, gateway="g")
                self.assertEqual((caught.exception.status, caught.exception.detail), (status, detail))

    def test_a_call_is_retried_with_the_same_key_after_a_broken_connection_or_an_overload(self):
        overload = problem(503, "WAGGLE_OVERLOADED")
        with Server(["drop", "cut", overload, problem(429, "WAGGLE_RATE_LIMIT"), answer("done")]) as server:
            self.assertEqual(self.client(server.url).request({"a": 1}, gateway="g"), "done")
        self.assertEqual(len(server.asked), 5)
        self.assertEqual(len({(one[2]["idempotency-key"], one[3]) for one in server.asked}), 1)
        left = [float(one[2]["x-timeout-seconds"]) for one in server.asked]
        self.assertEqual(left, sorted(left, reverse=True), "the deadline is one for all tries")

    def test_the_last_error_is_raised_when_the_retries_are_used_up(self):
        with Server([problem(503, "WAGGLE_OVERLOADED")] * 2 + ["rubbish"] * 2) as server:
            gateway = self.client(server.url, retries=1)
            with self.assertRaisesRegex(problems.Unavailable, "It went wrong"):
                gateway.request(1, gateway="g")
            with self.assertRaisesRegex(problems.Unavailable, "cannot be reached"):
                gateway.request(1, gateway="g")
        self.assertEqual(len(server.asked), 4)

    def test_a_call_fails_at_once_if_the_next_wait_would_pass_the_deadline(self):
        with Server([answer({"detail": "later", "code": "WAGGLE_OVERLOADED"}, 503, retry_after="9")]) as server:
            began = time.monotonic()
            with self.assertRaisesRegex(problems.Unavailable, "later"):
                self.client(server.url).request(1, gateway="g", timeout_seconds=5)
            self.assertLess(time.monotonic() - began, 4)

    def test_a_server_that_never_answers_ends_in_deadline_exceeded(self):
        with Server(["never"]) as server, mock.patch.object(waggle.exchange, "GRACE_SECONDS", 0):
            with self.assertRaisesRegex(problems.DeadlineExceeded, r"gave no answer within 0\.3 s"):
                self.client(server.url).request(1, gateway="g", timeout_seconds=0.3)

    def test_a_call_to_an_address_without_a_server_raises_unavailable(self):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{free.getsockname()[1]}"
        with self.assertRaisesRegex(problems.Unavailable, f"^{url} cannot be reached"):
            self.client(url, retries=1).request(1, gateway="g")
        with self.assertRaises(problems.Unavailable):
            self.client("http://no-such-host.invalid", retries=0).request(1, gateway="g")

    def test_wrong_arguments_are_value_errors_before_anything_is_sent(self):
        for url in ("ftp://a", "localhost:8080", "http://", "http:///x"):
            with self.subTest(url=url), self.assertRaisesRegex(ValueError, "is no address of a gateway"):
                self.client(url)
        for options in ({"timeout_seconds": 0}, {"timeout_seconds": float("nan")}, {"timeout_seconds": 1e9}, {"retries": -1}):
            with self.subTest(options=options), self.assertRaises(ValueError):
                self.client("http://127.0.0.1:1", **options)
        gateway = self.client("http://127.0.0.1:1")
        for payload, options in [
            (float("nan"), {}),
            ({1, 2}, {}),
            ("text", {"content_type": "text/plain"}),
            (1, {"idempotency_key": ""}),
            (1, {"idempotency_key": "a\nb"}),
            (1, {"idempotency_key": "k" * 256}),
            (1, {"timeout_seconds": -1}),
            (1, {"gateway": ""}),
            (1, {"headers": {"x": "a\r\ny: b"}}),
        ]:
            with self.subTest(payload=payload, options=options), self.assertRaises(ValueError):
                gateway.request(payload, **{"gateway": "g", **options})

    def test_url_and_token_come_from_the_environment_without_arguments(self):
        with Server([answer(1), answer(2)]) as server, mock.patch.dict(os.environ, {"WAGGLE_URL": server.url, "WAGGLE_TOKEN": "t-1"}):
            self.client().request(1, gateway="g")
            self.client(server.url, token="t-2").request(1, gateway="g")
        self.assertEqual([one[2]["authorization"] for one in server.asked], ["Bearer t-1", "Bearer t-2"])


class GatewayTest(Blocking, GatewayTests, unittest.TestCase):
    def test_the_default_address_is_the_address_of_a_waggle_with_the_same_environment(self):
        for environment, url in [
            ({}, "http://127.0.0.1:8080"),
            ({"WAGGLE_HTTP_PORT": "9000"}, "http://127.0.0.1:9000"),
            ({"WAGGLE_HTTP_PORT": "0", "WAGGLE_HOST": "0.0.0.0"}, "http://127.0.0.1:8080"),
            ({"WAGGLE_HOST": "::1", "WAGGLE_HTTP_PORT": "9000"}, "http://[::1]:9000"),
            ({"WAGGLE_URL": "https://a.example", "WAGGLE_HTTP_PORT": "9000"}, "https://a.example"),
        ]:
            with mock.patch.dict(os.environ, environment, clear=True):
                self.assertEqual(Gateway()._settings.address.shown, url)

    def test_a_connection_is_kept_and_replaced_when_the_server_has_closed_it(self):
        with Server([answer(1), "drop", answer(2), answer(3)]) as server, Gateway(server.url, retries=0) as gateway:
            self.assertEqual([gateway.request(0, gateway="g") for _ in range(3)], [1, 2, 3])

    def test_threads_may_share_a_client(self):
        with Server([answer(number) for number in range(40)]) as server, Gateway(server.url) as gateway:
            got = []
            threads = [threading.Thread(target=lambda: got.extend(gateway.request(0, gateway="g") for _ in range(10))) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        self.assertEqual(sorted(got), list(range(40)))

    def test_the_client_of_2021_prints_its_answer_and_has_a_payload(self):
        with Server([answer("goodbye Bee"), answer('{"r2score": 0.6}')]) as server, mock.patch.dict(os.environ, {"WAGGLE_URL": server.url}):
            gateway = bytewax.gateway.Gateway()
            self.assertEqual(str(gateway.request({"name": "Bee"}, gateway="hello-world")), "goodbye Bee")
            response = gateway.request("{}", gateway="forecast")
            self.assertEqual((json.loads(response.payload), response == '{"r2score": 0.6}'), ({"r2score": 0.6}, True))


class AsyncGatewayTest(Awaited, GatewayTests, unittest.TestCase):
    def test_calls_run_concurrently(self):
        with Server([answer(number) for number in range(20)]) as server:

            async def ask():
                async with AsyncGateway(server.url) as gateway:
                    return await asyncio.gather(*[gateway.request(0, gateway="g") for _ in range(20)])

            self.assertEqual(sorted(asyncio.run(ask())), list(range(20)))


if __name__ == "__main__":
    unittest.main()
