"""Graphs that exporters sometimes make: pip install onnx; python onnx_graphs.py"""
import numpy as np
from onnx import TensorProto as T
from onnx import helper
from onnx.reference import ReferenceEvaluator

from cases import HERE, Cases, scored

cases = Cases("onnx_graphs", ["onnx", "numpy"])


def save(name, nodes, inputs, outputs, constants=()):
    values = [[helper.make_tensor_value_info(one, kind, shape) for one, (kind, shape) in side.items()] for side in (inputs, outputs)]
    graph = helper.make_graph(nodes, "graph", *values, constants)
    (HERE / name).write_bytes(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString())
    return lambda **given: [value[()] for value in ReferenceEvaluator(str(HERE / name)).run(None, given)]


rows = [[1.0, 2.0, 6.0], [0.5, 0.25, 0.0]]

# One number for the whole batch.
mean = save("graph-mean.onnx", [helper.make_node("ReduceMean", ["x"], ["mean"], keepdims=0)], {"x": (T.FLOAT, ["N", 3])}, {"mean": (T.FLOAT, [])})
cases.add("graph-mean.onnx", [(row, {"label": "mean", "scores": {"mean": float(mean(x=np.array([row], np.float32))[0])}}) for row in rows])

# The output does not have a row for each row of the input, and its shape does not show this.
flat = save("graph-flat.onnx", [helper.make_node("Reshape", ["x", "shape"], ["flat"])], {"x": (T.FLOAT, ["N", 3])}, {"flat": (T.FLOAT, ["K"])}, [helper.make_tensor("shape", T.INT64, [1], [-1])])
cases.add("graph-flat.onnx", [({"x": row}, {"flat": flat(x=np.array([row], np.float32))[0].tolist()}) for row in rows])

# Pictures of one channel, as lists.
dot = save("graph-one-channel.onnx", [helper.make_node("ReduceSum", ["x", "axes"], ["y"], keepdims=0)], {"x": (T.FLOAT, ["N", 1, 2, 2])}, {"y": (T.FLOAT, ["N", 1])}, [helper.make_tensor("axes", T.INT64, [2], [2, 3])])
picture = [[[0.5, 0.25], [1.0, 2.0]]]
cases.add("graph-one-channel.onnx", [(picture, {"label": "y", "scores": {"y": float(dot(x=np.array([picture], np.float32))[0][0, 0])}})])

# Pictures of eight bits: the sum of each colour.
colours = save(
    "graph-picture.onnx",
    [helper.make_node("Cast", ["x"], ["f"], to=T.FLOAT), helper.make_node("ReduceSum", ["f", "axes"], ["sums"], keepdims=0)],
    {"x": (T.UINT8, ["N", 2, 2, 3])},
    {"sums": (T.FLOAT, ["N", 3])},
    [helper.make_tensor("axes", T.INT64, [2], [1, 2])],
)
pixels = [[[255, 0, 10], [255, 0, 20]], [[255, 0, 30], [255, 0, 40]]]
cases.add("graph-picture.onnx", [(pixels, scored(["0", "1", "2"], colours(x=np.array([pixels], np.uint8))[0][0]))])

# A hundred classes: with names they are scores, without names they are a list.
hundred = save("graph-hundred.onnx", [helper.make_node("Mul", ["x", "steps"], ["logits"])], {"x": (T.FLOAT, ["N", 1])}, {"logits": (T.FLOAT, ["N", 100])}, [helper.make_tensor("steps", T.FLOAT, [100], [float(at) for at in range(100)])])
logits = hundred(x=np.array([[0.5]], np.float32))[0][0].tolist()
names = [f"class {at}" for at in range(100)]
cases.add("graph-hundred.onnx", [(0.5, {"logits": logits})])
cases.add("graph-hundred.onnx", [(0.5, {"label": "class 99", "scores": dict(zip(names, logits))})], labels=names)

# Strings and whole numbers as outputs; an integer with a name for each of its values.
save("graph-words.onnx", [helper.make_node("Identity", ["words"], ["same"]), helper.make_node("Add", ["n", "n"], ["twice"])], {"words": (T.STRING, ["N", 2]), "n": (T.UINT64, ["N"])}, {"same": (T.STRING, ["N", 2]), "twice": (T.UINT64, ["N"])})
cases.add("graph-words.onnx", [({"words": ["é", "x"], "n": "9007199254740993"}, {"same": ["é", "x"], "twice": "18014398509481986"}), ({"words": ["", " "], "n": 4}, {"same": ["", " "], "twice": 8})])
best = save("graph-best.onnx", [helper.make_node("ArgMax", ["x"], ["best"], axis=1, keepdims=0)], {"x": (T.FLOAT, ["N", 3])}, {"best": (T.INT64, ["N"])})
cases.add("graph-best.onnx", [(row, {"label": "abc"[int(best(x=np.array([row], np.float32))[0][0])], "scores": {"abc"[int(best(x=np.array([row], np.float32))[0][0])]: 1}}) for row in rows], labels=["a", "b", "c"])

cases.write()
