"""Asks a swarm with Triton's clients and with gRPC's reflection, as any client would, and prints the results as JSON: one line for each step."""

import json
import queue
import sys

import grpc
import numpy as np
import tritonclient.grpc as triton_grpc
import tritonclient.http as triton_http
from google.protobuf import json_format, message_factory
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from tritonclient.utils import InferenceServerException

http_address, grpc_address, model, token = sys.argv[1:5]


def headers():
    # The clients write their own headers into the dictionary.
    return {"authorization": f"Bearer {token}"}


def say(step, value):
    def shown(one):
        return one.decode() if isinstance(one, bytes) else one.tolist()

    print(json.dumps([step, value], default=shown), flush=True)


def refused(call):
    try:
        call()
    except InferenceServerException as error:
        return f"{error.status()} {error.message()}"
    return "answered"


def over(triton, client, metadata):
    """The same steps over HTTP and gRPC, because both clients have the same methods."""
    where = "http" if triton is triton_http else "grpc"
    say(f"{where} ready", [client.is_server_live(headers()), client.is_server_ready(headers()), client.is_model_ready(model, headers=headers())])
    say(f"{where} metadata", metadata(client))
    numbers = triton.InferInput("measures", [1, 4], "FP32")
    numbers.set_data_from_numpy(np.array([[5.1, 3.5, 1.4, 0.2]], dtype=np.float32))
    answer = client.infer(model, [numbers], request_id="mine", headers=headers())
    say(f"{where} numbers", json.loads(answer.as_numpy("output")[0]))
    named = client.infer(model, [numbers], outputs=[triton.InferRequestedOutput("output")], headers=headers())
    say(f"{where} named", json.loads(named.as_numpy("output")[0])["label"])
    text = triton.InferInput("input", [1], "BYTES")
    text.set_data_from_numpy(np.array([b"[6.3, 3.3, 6.0, 2.5]"], dtype=np.object_))
    say(f"{where} json", json.loads(client.infer(model, [text], headers=headers()).as_numpy("output")[0])["label"])
    say(f"{where} no token", refused(lambda: client.infer(model, [numbers])))
    say(f"{where} unknown", refused(lambda: client.infer("nobody", [numbers], headers=headers())))
    wrong = triton.InferInput("measures", [1, 3], "FP32")
    wrong.set_data_from_numpy(np.zeros((1, 3), dtype=np.float32))
    say(f"{where} misfit", refused(lambda: client.infer(model, [wrong], headers=headers())))
    return numbers


client = triton_http.InferenceServerClient(http_address)
numbers = over(triton_http, client, lambda c: c.get_model_metadata(model, headers=headers()))
numbers.set_data_from_numpy(np.array([[5.1, 3.5, 1.4, 0.2]], dtype=np.float32), binary_data=False)
plain = client.infer(model, [numbers], outputs=[triton_http.InferRequestedOutput("output", binary_data=False)], headers=headers())
say("http without binary", json.loads(plain.as_numpy("output")[0])["label"])
gzipped = client.infer(model, [numbers], headers=headers(), request_compression_algorithm="gzip")
say("http gzip", json.loads(gzipped.as_numpy("output")[0])["label"])
client.close()

client = triton_grpc.InferenceServerClient(grpc_address)
numbers = over(triton_grpc, client, lambda c: c.get_model_metadata(model, headers=headers(), as_json=True))
answers = queue.Queue()
client.start_stream(lambda result, error: answers.put(str(error) if error else result.get_response().id), headers=headers())
for number in range(3):
    client.async_stream_infer(model, [numbers], request_id=f"request-{number}")
client.async_stream_infer("nobody", [numbers], request_id="unknown")
say("grpc stream", [answers.get(timeout=20) for _ in range(4)])
client.stop_stream()
client.close()

with grpc.insecure_channel(grpc_address) as channel:
    health = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service="waggle.v1.Gateway"), timeout=20)
    say("health", health_pb2.HealthCheckResponse.ServingStatus.Name(health.status))
    # The whole description of Waggle's own service comes from the server.
    described = ProtoReflectionDescriptorDatabase(channel)
    say("services", sorted(described.get_services()))
    service = DescriptorPool(described).FindServiceByName("waggle.v1.Gateway")

    def call(name, request):
        method = service.methods_by_name[name]
        given, taken = (message_factory.GetMessageClass(one) for one in (method.input_type, method.output_type))
        kind = channel.unary_stream if method.server_streaming else channel.unary_unary
        made = kind(f"/{service.full_name}/{name}", given.SerializeToString, taken.FromString)
        metadata = (("authorization", f"Bearer {token}"),)
        answer = made(json_format.ParseDict(request, given()), timeout=20, metadata=metadata)
        return list(answer) if method.server_streaming else answer

    data = {"gateway": model, "data": "WzUuMSwgMy41LCAxLjQsIDAuMl0="}
    answer = call("Request", data)
    say("request", [json.loads(answer.data)["label"], answer.content_type])
    accepted = call("Submit", data)
    events = call("Events", {"request_id": accepted.request_id})
    say("events", [event.name for event in events])
    say("last", json.loads(events[-1].outcome.answer.data)["label"])
    rest = call("Events", {"request_id": accepted.request_id, "last_event_id": events[0].id})
    say("rest", [event.name for event in rest])
    say("stream", [event.name for event in call("RequestStream", data)])
    say("get", json_format.MessageToDict(call("Get", {"request_id": accepted.request_id}))["state"])
