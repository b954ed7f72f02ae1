"""Converts a model to ONNX, runs both on random input, and prints the differences as one line of JSON.

python convert.py KIND FILE OUTPUT    KIND: tensorflow, frozen, keras, scikit-learn, xgboost or lightgbm
"""
import json
import os
import re
import sys

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
import numpy as np

ROWS = 16
random = np.random.default_rng(7)


def scikit_learn(file):
    import joblib

    model = joblib.load(file)
    module = type(model).__module__.split(".")[0]
    if module in ("xgboost", "lightgbm"):
        return boosted(model, module, model.n_features_in_, predictions(model))
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import FloatTensorType
    from sklearn.base import is_classifier

    options = {id(model): {"zipmap": False}} if is_classifier(model) else None
    types = [("X", FloatTensorType([None, model.n_features_in_]))]
    return to_onnx(model, initial_types=types, options=options), predictions(model)


def predictions(model):
    """A function that runs the model, and returns the outputs under the names that converters give them."""

    def run(inputs):
        (rows,) = inputs.values()
        if hasattr(model, "predict_proba"):
            return {"probabilities": model.predict_proba(rows)}
        return {"variable": model.predict(rows)}

    return run


def xgboost(file):
    import xgboost as library

    model = library.Booster(model_file=file)

    def run(inputs):
        (rows,) = inputs.values()
        scores = model.predict(library.DMatrix(rows))
        is_binary = json.loads(model.save_config())["learner"]["objective"]["name"].startswith("binary:")
        return {"probabilities": np.stack([1 - scores, scores], 1)} if is_binary else {"probabilities" if scores.ndim == 2 else "variable": scores}

    return boosted(model, "xgboost", model.num_features(), run)


def lightgbm(file):
    import lightgbm as library

    model = library.Booster(model_file=file)

    def run(inputs):
        (rows,) = inputs.values()
        scores = model.predict(rows)
        is_binary = "binary" in model.dump_model()["objective"]
        return {"probabilities": np.stack([1 - scores, scores], 1)} if is_binary else {"probabilities" if scores.ndim == 2 else "variable": scores}

    return boosted(model, "lightgbm", model.num_feature(), run)


def boosted(model, library, features, run):
    import onnxmltools
    from onnxmltools.convert.common.data_types import FloatTensorType

    types = [("X", FloatTensorType([None, features]))]
    if library == "xgboost":
        return onnxmltools.convert_xgboost(model, initial_types=types), run
    return onnxmltools.convert_lightgbm(model, initial_types=types, zipmap=False), run


def tensorflow(folder):
    import tensorflow as tf
    import tf2onnx

    loaded = tf.saved_model.load(folder)
    function = loaded.signatures["serving_default"]
    _, specs = function.structured_input_signature
    signature = [tf.TensorSpec(spec.shape, spec.dtype, name=name) for name, spec in specs.items()]

    @tf.function(input_signature=signature)
    def served(*tensors):
        return function(**dict(zip(specs, tensors)))

    onnx, _ = tf2onnx.convert.from_function(served, input_signature=signature, opset=17)
    rename_outputs(onnx, list(function.structured_outputs))
    return onnx, lambda inputs: {name: value.numpy() for name, value in function(**{name: tf.constant(rows) for name, rows in inputs.items()}).items()}


def frozen(file):
    import tensorflow as tf
    import tf2onnx

    graph = tf.compat.v1.GraphDef()
    try:
        with open(file, "rb") as opened:
            graph.ParseFromString(opened.read())
    except Exception as error:
        sys.exit(f"{file} is not a frozen graph: {error}")
    if any(node.op in VARIABLES for node in graph.node):
        sys.exit(f"{file} has variables, whose values lie in files beside it: name the folder of the SavedModel")
    inputs = {node.name: f"{node.name}:0" for node in graph.node if node.op == "Placeholder"}
    read = {source_of(reference) for node in graph.node for reference in node.input}
    ends = [node for node in graph.node if node.name not in read and node.op not in SILENT]
    outputs = {output_name(node): f"{node.name}:0" for node in ends}
    if not inputs or not outputs:
        sys.exit(f"{file} is not a frozen graph: it has no input or no output")
    onnx, _ = tf2onnx.convert.from_graph_def(graph, input_names=list(inputs.values()), output_names=list(outputs.values()), opset=17)
    rename(onnx, onnx.graph.input, {reference: name for name, reference in inputs.items()})
    rename(onnx, onnx.graph.output, {reference: name for name, reference in outputs.items()})
    function = tf.compat.v1.wrap_function(lambda: tf.import_graph_def(graph, name=""), []).prune(list(inputs.values()), list(outputs.values()))

    def run(rows):
        given = function(*[tf.constant(rows[name]) for name in inputs])
        return {name: value.numpy() for name, value in zip(outputs, given)}

    return onnx, run


def source_of(reference):
    """The name of the node in a reference, such as `^node` or `node:1`, from another node's input."""
    return reference.lstrip("^").split(":")[0]


def output_name(node):
    """The name that the author gave to an output. Freezing adds nodes such as `Identity_2` after a named node."""
    is_added = node.op == "Identity" and re.fullmatch(r"Identity(_\d+)?", node.name) and node.input
    return source_of(node.input[0]) if is_added else node.name


SILENT = {"Const", "NoOp", "Assert", "Placeholder"}
VARIABLES = {"Variable", "VariableV2", "VarHandleOp"}


def keras(file):
    import keras as library
    import tensorflow as tf
    import tf2onnx

    model = library.models.load_model(file)
    signature = [tf.TensorSpec(one.shape, one.dtype, name=one.name) for one in model.inputs]
    names = [one.name for one in model.outputs] if len(model.outputs) > 1 else [getattr(model, "output_names", ["output"])[0]]

    @tf.function(input_signature=signature)
    def served(*tensors):
        given = model(list(tensors) if len(tensors) > 1 else tensors[0], training=False)
        return dict(zip(names, given if isinstance(given, (list, tuple)) else [given]))

    onnx, _ = tf2onnx.convert.from_function(served, input_signature=signature, opset=17)
    rename_outputs(onnx, sorted(names))
    return onnx, lambda inputs: {name: value.numpy() for name, value in served(*[tf.constant(inputs[one.name]) for one in signature]).items()}


def rename_outputs(onnx, names):
    """Gives the outputs the names of the signature. tf2onnx names them Identity:0 and so on, in the order of the sorted names."""
    rename(onnx, onnx.graph.output, {output.name: name for output, name in zip(onnx.graph.output, sorted(names))})


def rename(onnx, values, names):
    """Gives inputs or outputs of the graph other names, in the whole graph."""
    for value in values:
        value.name = names[value.name]
    for node in onnx.graph.node:
        for references in (node.input, node.output):
            for at, one in enumerate(references):
                references[at] = names.get(one, one)


def free_batches(onnx):
    """Makes the number of rows of outputs free. Converters of trees write one row for a label, regardless of the rows of the input."""
    for value in onnx.graph.output:
        shape = value.type.tensor_type.shape
        if len(shape.dim) > 0 and shape.dim[0].dim_value == 1:
            shape.dim[0].Clear()


def random_input(value):
    shape = [one if isinstance(one, int) and one > 0 else ROWS if at == 0 else 8 for at, one in enumerate(value.shape)]
    if value.type == "tensor(float)":
        return random.uniform(0, 1, shape).astype(np.float32)
    if value.type == "tensor(double)":
        return random.uniform(0, 1, shape)
    if value.type == "tensor(bool)":
        return random.integers(0, 2, shape).astype(bool)
    if value.type in ("tensor(int32)", "tensor(int64)", "tensor(uint8)"):
        return random.integers(0, 2, shape).astype(value.type[7:-1])
    raise ValueError(f"the input {value.name} is a {value.type}")


def main(kind, file, output):
    import onnxruntime

    converters = {"tensorflow": tensorflow, "frozen": frozen, "keras": keras, "scikit-learn": scikit_learn, "xgboost": xgboost, "lightgbm": lightgbm}
    onnx, run = converters[kind](file)
    free_batches(onnx)
    with open(output, "wb") as written:
        written.write(onnx.SerializeToString())
    session = onnxruntime.InferenceSession(output, providers=["CPUExecutionProvider"])
    inputs = {value.name: random_input(value) for value in session.get_inputs()}
    given = {value.name: one for value, one in zip(session.get_outputs(), session.run(None, inputs))}
    wanted = run(inputs)
    outputs = []
    for name, values in wanted.items():
        found = given[name] if name in given else list(given.values())[-1]
        expected = np.asarray(values, dtype=np.float64)
        actual = np.asarray(found, dtype=np.float64).reshape(expected.shape)
        outputs.append({"name": name, "largest_difference": float(np.max(np.abs(expected - actual), initial=0)), "range": float(np.ptp(expected)) if expected.size else 0.0})
    rows = next(iter(inputs.values())).shape[0]
    shown = [{"name": value.name, "type": value.type, "shape": [one if isinstance(one, int) else -1 for one in value.shape]} for value in session.get_inputs()]
    if not all(np.isfinite(one["largest_difference"]) and np.isfinite(one["range"]) for one in outputs):
        sys.exit("the model gives NaN or infinity for random input, so it cannot be compared with its ONNX")
    print(json.dumps({"inputs": shown, "rows": rows, "outputs": outputs}))


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except Exception as error:
        # Only the first line is shown. The other lines are places in the sources of a library.
        sys.exit(f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else 'no reason was given'}")
