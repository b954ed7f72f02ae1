import asyncio
import json
import threading
import unittest
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import AsyncIterator, Generator, Iterator

from waggle import AsyncGateway, BadBee, BadResult, DevSwarm, Gateway, GatewayError, Media, Unavailable, register_bee
from waggle.annotations import types_of
from waggle.bee import Bee


class PartsOfABee(unittest.TestCase):
    def setUp(self):
        self.swarm = DevSwarm()

    def test_a_generator_publishes_parts_and_its_result_joins_them(self):
        def words(payload):
            yield from payload

        self.assertEqual(self.swarm.call(words, ["to", "get", "her"]), "together")
        self.assertEqual(self.swarm.parts, ["to", "get", "her"])
        self.assertEqual(self.swarm.published, ["together"])

    def test_parts_that_are_json_become_a_list_and_bytes_are_joined(self):
        def parts(payload):
            yield from payload

        self.assertEqual(self.swarm.call(parts, [{"row": 1}, 2]), [{"row": 1}, 2])

        def pictures(payload):
            yield Media(b"a", "image/x")
            yield Media(b"b", "image/x")

        self.assertEqual(self.swarm.call(pictures, None), b"ab")

    def test_a_returned_or_published_value_is_the_result(self):
        def counted(payload):
            yield "a"
            return {"parts": 1}

        def published(swarm, payload, context):
            yield "a"
            swarm.publish({"parts": 1}, context)

        for bee in (counted, published):
            with self.subTest(bee=bee):
                self.assertEqual(self.swarm.call(bee, None), {"parts": 1})

    def test_an_asynchronous_generator_continues_after_the_parts_of_an_earlier_run(self):
        async def count(payload, context):
            for part in context.parts:
                yield part
            for number in range(len(context.parts), 3):
                await asyncio.sleep(0)
                yield number

        self.assertEqual(self.swarm.call(count, None, parts=["zero", "one"]), ["zero", "one", 2])

    def test_parts_of_different_kinds_need_a_returned_result(self):
        def mixed(payload):
            yield b"a"
            yield "b"

        with self.assertRaisesRegex(BadResult, "return the whole result at the end"):
            self.swarm.call(mixed, None)

    def test_a_generator_takes_no_batches(self):
        with self.assertRaisesRegex(BadBee, "takes batches and is a generator"):

            @register_bee(name="batched", batch=True)
            def batched(payloads):
                yield 1

    def test_annotations_tell_the_type_of_the_joined_parts(self):
        def text(payload: str) -> Iterator[str]:
            yield payload

        def rows(payload: str) -> Generator[dict, None, None]:
            yield {}

        def counted(payload: str) -> Generator[str, None, int]:
            yield payload
            return 1

        async def later(payload: str) -> AsyncIterator[str]:
            yield payload

        types = {bee.__name__: types_of(Bee(bee.__name__, bee, batch=False)).get("output") for bee in (text, rows, counted, later)}
        self.assertEqual(types["text"], {"type": "string"})
        self.assertEqual(types["counted"], {"type": "integer"})
        self.assertEqual(types["later"], {"type": "string"})
        self.assertEqual(types["rows"]["type"], "array")


def event(name, id, **data):
    return f"event: {name}\nid: {id}\ndata: {json.dumps(data)}\n\n".encode()


class EventServer:
    """A server that gives bodies of events, each on a connection that ends behind it. A number is a status."""

    def __init__(self, bodies):
        self.asked = asked = []
        bodies = iter(bodies)

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_one(self):
                self.rfile.read(int(self.headers.get("content-length") or 0))
                asked.append((self.command, self.path, {name.lower(): value for name, value in self.headers.items()}))
                body = next(bodies)
                self.send_response(body if isinstance(body, int) else 200)
                self.send_header("x-request-id", "r-1")
                self.send_header("connection", "close")
                self.end_headers()
                self.close_connection = True
                self.wfile.write(b'{"detail": "no"}' if isinstance(body, int) else body)

            do_GET = do_POST = handle_one

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()


def streamed(url, **options):
    return list(Gateway(url, **options).stream({"a": 1}, "g"))


def streamed_later(url, **options):
    async def all_events():
        return [event async for event in AsyncGateway(url, **options).stream({"a": 1}, "g")]

    return asyncio.run(all_events())


class EventsOfARequest(unittest.TestCase):
    def test_a_stream_continues_after_its_last_event_when_a_connection_breaks(self):
        first = b": \n\n" + event("accepted", "*", request_id="r-1") + event("part", "*.bee~0", bee="bee", number=0, part="a")
        rest = event("part", "*.bee~1", bee="bee", number=1, part="b") + event("answer", "*.!", answer="ab", problem=None)
        for run in (streamed, streamed_later):
            with self.subTest(run=run), EventServer([first, 503, rest]) as server:
                events = run(server.url)
                self.assertEqual([one.kind for one in events], ["accepted", "part", "part", "answer"])
                self.assertEqual([(one.bee, one.number, one.value) for one in events[1:3]], [("bee", 0, "a"), ("bee", 1, "b")])
                self.assertEqual((events[-1].value, events[-1].request_id), ("ab", "r-1"))
                (method, path, headers), _, (again, events_path, asked) = server.asked
                self.assertEqual((method, path, headers["accept"]), ("POST", "/v1/gateways/g/request", "text/event-stream"))
                self.assertEqual((again, events_path, asked["last-event-id"]), ("GET", "/v1/requests/r-1/events", "*.bee~0"))

    def test_a_gap_is_told_where_the_server_has_parts_no_longer(self):
        gap = event("gap", "*", request_id="r-1", detail="The log no longer has all parts")
        for run in (streamed, streamed_later):
            with self.subTest(run=run), EventServer([gap + event("answer", "*.!", answer="ab", problem=None)]) as server:
                first, last = run(server.url)
                self.assertEqual((first.kind, first.fields["detail"], last.value), ("gap", "The log no longer has all parts", "ab"))

    def test_a_request_that_has_no_event_yet_is_sent_again_with_the_same_key(self):
        for run in (streamed, streamed_later):
            with self.subTest(run=run), EventServer([b": \n\n", event("answer", "*.!", answer=1, problem=None)]) as server:
                self.assertEqual([one.value for one in run(server.url)], [1])
                first, second = server.asked
                self.assertEqual([first[0], second[0]], ["POST", "POST"])
                self.assertEqual(first[2]["idempotency-key"], second[2]["idempotency-key"])

    def test_a_failed_request_and_a_refusal_raise_their_errors(self):
        failed = event("answer", "!", answer=None, problem={"status": 502, "detail": "It broke", "code": "WAGGLE_BEE_FAILED", "bee": "b"})
        for run in (streamed, streamed_later):
            with self.subTest(run=run), EventServer([failed, 404, 503]) as server:
                with self.assertRaises(GatewayError) as raised:
                    run(server.url)
                self.assertEqual((raised.exception.status, raised.exception.request_id), (502, "r-1"))
                with self.assertRaises(GatewayError) as raised:
                    run(server.url)
                self.assertEqual(raised.exception.status, 404)
                with self.assertRaises(Unavailable):
                    run(server.url, retries=0)


if __name__ == "__main__":
    unittest.main()
