"""A model server that speaks TensorFlow Serving's two protocols, with the published messages of tensorflow-serving-api and with grpcio.

It prints its ports as a line of JSON, and each call that it gets as another line. Its model `measures` is a dense layer with a softmax in the
version 3. The signature `twice` returns twice the numbers, and has every type. It ends with its standard input.
"""
import json
import math
import struct
import sys
import threading
from concurrent import futures
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import grpc
from google.protobuf import json_format
from tensorflow.core.framework import tensor_pb2, types_pb2
from tensorflow.core.protobuf import meta_graph_pb2
from tensorflow_serving.apis import get_model_metadata_pb2, predict_pb2, prediction_service_pb2_grpc

options = json.loads(sys.argv[1]) if len(sys.argv) > 1 else {}
LARGEST_BATCH = options.get("largest_batch", 1000)
PACKED = options.get("packed", False)
WEIGHTS = [[0.5, -1.0, 0.25], [1.5, 0.5, -0.75], [-0.5, 0.0, 1.0], [0.25, 1.0, -1.5]]
TYPES = {
    "half": (types_pb2.DT_HALF, "e", "half_val"),
    "float": (types_pb2.DT_FLOAT, "f", "float_val"),
    "double": (types_pb2.DT_DOUBLE, "d", "double_val"),
    "int8": (types_pb2.DT_INT8, "b", "int_val"),
    "int16": (types_pb2.DT_INT16, "h", "int_val"),
    "int32": (types_pb2.DT_INT32, "i", "int_val"),
    "int64": (types_pb2.DT_INT64, "q", "int64_val"),
    "uint8": (types_pb2.DT_UINT8, "B", "int_val"),
    "uint16": (types_pb2.DT_UINT16, "H", "int_val"),
    "uint32": (types_pb2.DT_UINT32, "I", "uint32_val"),
    "uint64": (types_pb2.DT_UINT64, "Q", "uint64_val"),
    "bool": (types_pb2.DT_BOOL, "?", "bool_val"),
}
SAYING = threading.Lock()
BY_NUMBER = {number: (code, field) for number, code, field in TYPES.values()}


class Refused(Exception):
    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


def info(dtype, *shape):
    tensor = meta_graph_pb2.TensorInfo(name="graph:0", dtype=dtype)
    for size in shape:
        tensor.tensor_shape.dim.add(size=size)
    return tensor


def signature(inputs, outputs):
    made = meta_graph_pb2.SignatureDef(method_name="tensorflow/serving/predict")
    for name, tensor in inputs.items():
        made.inputs[name].CopyFrom(tensor)
    for name, tensor in outputs.items():
        made.outputs[name].CopyFrom(tensor)
    return made


FLOAT, INT64, STRING = types_pb2.DT_FLOAT, types_pb2.DT_INT64, types_pb2.DT_STRING
ALL = {name: info(number, -1, 2) for name, (number, _, _) in TYPES.items()}
SIGNATURES = {
    "serving_default": signature({"x": info(FLOAT, -1, 4)}, {"probabilities": info(FLOAT, -1, 3), "chosen": info(INT64, -1)}),
    "one": signature({"x": info(FLOAT, -1, 4)}, {"probabilities": info(FLOAT, -1, 3)}),
    "twice": signature(ALL, ALL),
    "words": signature({"text": info(STRING, -1)}, {"probabilities": info(FLOAT, -1, 3)}),
    "names": signature({"x": info(FLOAT, -1, 4)}, {"classes": info(STRING, -1), "probabilities": info(FLOAT, -1, 3)}),
    "log": signature({"x": info(FLOAT, -1, 4)}, {"logarithms": info(FLOAT, -1, 4)}),
    "picture": signature({"image": info(FLOAT, -1, 2, 2, 3)}, {"mean": info(FLOAT, -1, 3)}),
}


def softmax(row):
    sums = [sum(value * WEIGHTS[at][column] for at, value in enumerate(row)) for column in range(3)]
    powers = [math.exp(value - max(sums)) for value in sums]
    return [power / sum(powers) for power in powers]


def compute(name, inputs):
    """The outputs as (type, shape, flat values) by name. Inputs have the same form."""
    rows = next(iter(inputs.values()))[1][0]
    if rows > LARGEST_BATCH:
        raise Refused("INVALID_ARGUMENT", f"Task size {rows} is larger than maximum input batch size {LARGEST_BATCH}")
    if name == "twice":
        return {key: (kind, shape, values if kind == types_pb2.DT_BOOL else [value * 2 for value in values]) for key, (kind, shape, values) in inputs.items()}
    if name == "picture":
        values = inputs["image"][2]
        means = [sum(values[row * 12 + channel :: 3][:4]) / 4 for row in range(rows) for channel in range(3)]
        return {"mean": (FLOAT, [rows, 3], means)}
    values = inputs["x"][2]
    if name == "log":
        logs = [math.log(value) if value > 0 else (-math.inf if value == 0 else math.nan) for value in values]
        return {"logarithms": (FLOAT, [rows, 4], logs)}
    scores = [softmax(values[row * 4 : row * 4 + 4]) for row in range(rows)]
    best = [row.index(max(row)) for row in scores]
    outputs = {"probabilities": (FLOAT, [rows, 3], [score for row in scores for score in row])}
    if name == "serving_default":
        outputs["chosen"] = (INT64, [rows], [2**60 + at for at in best])
    if name == "names":
        outputs["classes"] = (STRING, [rows], [["low", "middle", "high"][at] for at in best])
    return outputs


def chosen(spec_name, version, label):
    if spec_name != "measures" or version not in (None, 3) or label not in (None, "", "stable"):
        wanted = f"Specific({spec_name}, {version})" if version else f"Latest({spec_name})"
        raise Refused("NOT_FOUND", f"Servable not found for request: {wanted}")


def named(name):
    if name not in SIGNATURES:
        raise Refused("FAILED_PRECONDITION", f'Serving signature name: "{name}" not found in signature def')
    return SIGNATURES[name]


def say(**fields):
    # One write for the whole line, so that the lines of two threads do not mix.
    with SAYING:
        sys.stdout.write(json.dumps(fields) + "\n")
        sys.stdout.flush()


def values_of(proto):
    code, field = BY_NUMBER[proto.dtype]
    shape = [dim.size for dim in proto.tensor_shape.dim]
    if proto.tensor_content:
        return (proto.dtype, shape, list(struct.unpack(f"<{math.prod(shape)}{code}", proto.tensor_content)))
    return (proto.dtype, shape, list(getattr(proto, field)))


def proto_of(kind, shape, values):
    proto = tensor_pb2.TensorProto(dtype=kind)
    for size in shape:
        proto.tensor_shape.dim.add(size=size)
    if kind == STRING:
        proto.string_val.extend(value.encode() for value in values)
        return proto
    code, field = BY_NUMBER[kind]
    if PACKED:
        proto.tensor_content = struct.pack(f"<{len(values)}{code}", *values)
        return proto
    # A value that repeats at the end is written once, as TensorFlow does.
    while len(values) > 1 and values[-1] == values[-2]:
        values = values[:-1]
    if kind == types_pb2.DT_HALF:
        values = [struct.unpack("<H", struct.pack("<e", value))[0] for value in values]
    getattr(proto, field).extend(values)
    return proto


def metadata(spec):
    chosen(spec.name, spec.version.value if spec.HasField("version") else None, spec.version_label)
    answer = get_model_metadata_pb2.GetModelMetadataResponse()
    answer.model_spec.name = spec.name
    answer.model_spec.version.value = 3
    signatures = get_model_metadata_pb2.SignatureDefMap()
    for name, one in SIGNATURES.items():
        signatures.signature_def[name].CopyFrom(one)
    answer.metadata["signature_def"].Pack(signatures)
    return answer, signatures


class Predictions(prediction_service_pb2_grpc.PredictionServiceServicer):
    def GetModelMetadata(self, request, context):
        return answered(context, lambda: metadata(request.model_spec)[0])

    def Predict(self, request, context):
        spec = request.model_spec
        say(protocol="grpc", signature=spec.signature_name, rows=[dim.size for dim in next(iter(request.inputs.values())).tensor_shape.dim][:1], remaining=context.time_remaining(), trace=trace_of(dict(context.invocation_metadata())))

        def predict():
            chosen(spec.name, spec.version.value if spec.HasField("version") else None, spec.version_label)
            named(spec.signature_name)
            outputs = compute(spec.signature_name, {name: values_of(tensor) for name, tensor in request.inputs.items()})
            answer = predict_pb2.PredictResponse()
            answer.model_spec.name = spec.name
            answer.model_spec.version.value = 3
            answer.model_spec.signature_name = spec.signature_name
            for name, tensor in outputs.items():
                if not request.output_filter or name in request.output_filter:
                    answer.outputs[name].CopyFrom(proto_of(*tensor))
            return answer

        return answered(context, predict)


def trace_of(headers):
    return {name: headers[name] for name in ("traceparent", "tracestate", "baggage") if name in headers}


def answered(context, make):
    try:
        return make()
    except Refused as refused:
        context.abort(getattr(grpc.StatusCode, refused.code), str(refused))


def flat(value):
    shape, values = [], [value]
    while values and isinstance(values[0], list):
        shape.append(len(values[0]))
        values = [item for row in values for item in row]
    return shape, values


def nested(shape, values):
    if not shape:
        return values[0]
    step = len(values) // shape[0] if shape[0] else 0
    return [nested(shape[1:], values[at * step : (at + 1) * step]) for at in range(shape[0])]


class Rest(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.answer(lambda: self.metadata())

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.answer(lambda: self.predict(body))

    def spec(self, action):
        path = self.path.removesuffix(action).removeprefix("/v1/models/").split("/")
        kind, value = (path[1], path[2]) if len(path) == 3 else (None, None)
        chosen(path[0], int(value) if kind == "versions" else None, value if kind == "labels" else None)
        return path[0]

    def metadata(self):
        spec = get_model_metadata_pb2.GetModelMetadataRequest().model_spec
        spec.name = self.spec("/metadata")
        answer, signatures = metadata(spec)
        told = lambda message: json_format.MessageToDict(message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)
        return {"model_spec": told(answer.model_spec), "metadata": {"signature_def": told(signatures)}}

    def predict(self, body):
        self.spec(":predict")
        name = body.get("signature_name", "serving_default")
        inputs = {}
        for key, tensor in named(name).inputs.items():
            shape, values = flat(body["inputs"][key])
            inputs[key] = (tensor.dtype, shape, values)
        say(protocol="http", signature=name, rows=next(iter(inputs.values()))[1][:1], trace=trace_of(self.headers))
        outputs = {key: nested(shape, values) for key, (_, shape, values) in compute(name, inputs).items()}
        return {"outputs": outputs if len(outputs) > 1 else next(iter(outputs.values()))}

    def answer(self, make):
        try:
            status, body = 200, make()
        except Refused as refused:
            status, body = {"NOT_FOUND": 404}.get(refused.code, 400), {"error": str(refused)}
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def main():
    grpc_server = grpc.server(futures.ThreadPoolExecutor(4))
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(Predictions(), grpc_server)
    rest = ThreadingHTTPServer(("127.0.0.1", options.get("http_port", 0)), Rest)
    address = f"127.0.0.1:{options.get('grpc_port', 0)}"
    if "cert" in options:
        import ssl

        read = lambda name: open(options[name], "rb").read()
        credentials = grpc.ssl_server_credentials([(read("key"), read("cert"))], read("ca"), require_client_auth=True)
        port = grpc_server.add_secure_port(address, credentials)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(options["cert"], options["key"])
        context.load_verify_locations(options["ca"])
        context.verify_mode = ssl.CERT_REQUIRED
        rest.socket = context.wrap_socket(rest.socket, server_side=True)
    else:
        port = grpc_server.add_insecure_port(address)
    grpc_server.start()
    threading.Thread(target=rest.serve_forever, daemon=True).start()
    say(grpc=port, http=rest.server_port)
    sys.stdin.read()
    grpc_server.stop(None)


main()
