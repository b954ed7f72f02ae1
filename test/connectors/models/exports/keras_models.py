"""Exports of Keras: pip install tensorflow-cpu tf2onnx; python keras_models.py"""
import os

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import subprocess
import sys
import tempfile

import keras
import numpy as np
import tensorflow as tf
import tf2onnx
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from cases import HERE, Cases, scored

cases = Cases("keras_models", ["tensorflow-cpu", "keras", "tf2onnx", "onnx"])
keras.utils.set_random_seed(11)


def freeze(name, call, signature):
    """The graph with its variables as constants. `call` gives outputs by name."""
    function = tf.function(call).get_concrete_function(*signature)
    (HERE / name).write_bytes(convert_variables_to_constants_v2(function).graph.as_graph_def().SerializeToString())


# A classifier of one input: by Keras' own export, by tf2onnx, through a SavedModel, and as a frozen graph.
measures = keras.Input((4,), name="measures")
hidden = keras.layers.Dense(5, activation="relu")(measures)
model = keras.Model(measures, keras.layers.Dense(3, activation="softmax", name="probabilities")(hidden))
labels = ["low", "middle", "high"]
rows = np.random.default_rng(1).normal(size=(3, 4)).astype(np.float32)
answers = [(row.tolist(), scored(labels, p)) for row, p in zip(rows, model.predict(rows, verbose=0))]
one = tf.TensorSpec((None, 4), tf.float32, name="measures")

model.export(HERE / "keras-export.onnx", format="onnx", verbose=False)
tf2onnx.convert.from_keras(model, input_signature=[one], opset=17, output_path=str(HERE / "keras-tf2onnx.onnx"))
with tempfile.TemporaryDirectory() as folder:
    model.export(folder, format="tf_saved_model", verbose=False)
    command = ["tf2onnx.convert", "--saved-model", folder, "--output", str(HERE / "keras-saved-model.onnx"), "--opset", "17"]
    subprocess.run([sys.executable, "-m", *command], check=True, capture_output=True)
freeze("keras-frozen.pb", lambda measures: {"probabilities": model(measures)}, [one])
for name in ["keras-export.onnx", "keras-tf2onnx.onnx", "keras-saved-model.onnx", "keras-frozen.pb"]:
    cases.add(name, answers, labels=labels)

# Two inputs, one of them whole numbers; two outputs.
ids = keras.Input((3,), dtype="int32", name="ids")
weight = keras.Input((1,), name="weight")
words = keras.layers.Flatten()(keras.layers.Embedding(20, 2)(ids))
score = keras.layers.Dense(2, activation="softmax", name="probabilities")(keras.layers.Concatenate()([words, weight]))
both = keras.Model([ids, weight], score)
pair = [tf.TensorSpec((None, 3), tf.int32, name="ids"), tf.TensorSpec((None, 1), tf.float32, name="weight")]


def call(ids, weight):
    return {"probabilities": both([ids, weight]), "largest": tf.reduce_max(ids, axis=1, keepdims=True, name="largest")}


freeze("keras-two-inputs.pb", call, pair)
graph, _ = tf2onnx.convert.from_function(tf.function(call), input_signature=pair, opset=17)
(HERE / "keras-two-inputs.onnx").write_bytes(graph.SerializeToString())
asked = [([1, 2, 3], 0.5), ([19, 0, 7], 0.25)]
told = []
for i, w in asked:
    p = both.predict([np.array([i], np.int32), np.array([[w]], np.float32)], verbose=0)[0]
    told.append(({"ids": i, "weight": w}, scored(["no", "yes"], p) | {"largest": max(i)}))
cases.add("keras-two-inputs.pb", told, labels=["no", "yes"])
cases.add("keras-two-inputs.onnx", told, labels=["no", "yes"])

cases.write()
