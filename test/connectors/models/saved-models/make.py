"""SavedModels with the answers of TensorFlow: pip install tensorflow-cpu; python make.py"""
import importlib.metadata
import json
import os
import pathlib
import platform
import shutil

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0"
import keras
import numpy as np
import tensorflow as tf
from keras import layers
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

HERE = pathlib.Path(__file__).parent
random = np.random.default_rng(7)
keras.utils.set_random_seed(7)
cases = []


def given(spec, rows):
    """Random rows for a signature's input."""
    shape = [rows if at == 0 else size or 5 for at, size in enumerate(spec.shape)]
    if spec.dtype.is_integer:
        return random.integers(0, 9, shape).astype(spec.dtype.as_numpy_dtype)
    if spec.dtype == tf.bool:
        return random.integers(0, 2, shape).astype(bool)
    return random.normal(size=shape).astype(np.float32)


def answers(name, rows=2, signature="serving_default", **spec):
    """Loads the saved model, and records the answers of TensorFlow for random rows."""
    call = tf.saved_model.load(HERE / name).signatures[signature]
    inputs = {key: given(one, rows) for key, one in call.structured_input_signature[1].items()}
    outputs = call(**{key: tf.constant(value) for key, value in inputs.items()})
    if signature != "serving_default":
        spec["signature"] = signature
    record(name, spec, inputs, {key: value.numpy() for key, value in outputs.items()})


def record(name, spec, inputs, outputs):
    told = lambda values: {key: {"shape": list(value.shape), "values": value.ravel().tolist()} for key, value in values.items()}
    cases.append({"model": name, "spec": spec, "inputs": told(inputs), "outputs": told(outputs)})


def fresh(name):
    shutil.rmtree(HERE / name, ignore_errors=True)
    return str(HERE / name)


def small(name):
    """Removes the files that no reader needs."""
    for file in ["fingerprint.pb", "keras_metadata.pb"]:
        (HERE / name / file).unlink(missing_ok=True)
    for folder in ["assets"]:
        if (HERE / name / folder).is_dir() and not any((HERE / name / folder).iterdir()):
            (HERE / name / folder).rmdir()


def export(name, model):
    """Gives running averages distinct values, because initial values would hide a mistake."""
    for variable in model.variables:
        if "moving_" in variable.path or "gamma" in variable.path or "beta" in variable.path or "bias" in variable.path:
            variable.assign(variable + 0.2 * np.abs(random.normal(size=variable.shape)))
    model.export(fresh(name), format="tf_saved_model", verbose=False)
    small(name)


def save(name, module, signatures, **options):
    tf.saved_model.save(module, fresh(name), signatures=signatures, options=tf.saved_model.SaveOptions(**options))
    small(name)


# A directory of numbered versions.
for version in [1, 2, 10]:
    inputs = keras.Input((4,), name="measures")
    hidden = layers.Dense(5, activation="relu")(inputs)
    model = keras.Model(inputs, layers.Dense(3, activation="softmax", name="probabilities")(hidden))
    export(f"dense/{version}", model)
    answers(f"dense/{version}", rows=3)


# Two signatures of one module; functions that call functions; two variables with the same name; two shards.
class Words(tf.Module):
    def __init__(self):
        super().__init__()
        self.table = tf.Variable(random.normal(size=(9, 4)).astype(np.float32), name="w")
        self.weights = tf.Variable(random.normal(size=(5, 2)).astype(np.float32), name="w")
        self.count = tf.Variable(3, dtype=tf.int64, name="count")

    @tf.function
    def embed(self, ids):
        return tf.reduce_mean(tf.gather(self.table, ids), axis=1)

    @tf.function(input_signature=[tf.TensorSpec((None, 3), tf.int64, name="ids"), tf.TensorSpec((None, 1), tf.float32, name="weight")])
    def classify(self, ids, weight):
        both = tf.concat([self.embed(ids), weight], axis=1)
        return {"probabilities": tf.nn.softmax(tf.matmul(both, self.weights)), "total": tf.reduce_sum(ids, axis=1) + self.count}

    @tf.function(input_signature=[tf.TensorSpec((None, 3), tf.int64, name="ids")])
    def vectors(self, ids):
        return {"vectors": self.embed(ids)}


words = Words()
sharding = tf.train.experimental.MaxShardSizePolicy(max_shard_size=150)
signatures = {"serving_default": words.classify, "vectors": words.vectors}
save("words", words, signatures, experimental_sharding_callback=sharding)
answers("words")
answers("words", signature="vectors")

# Classifiers of images, with the blocks of MobileNet, EfficientNet and ResNet.
picture = keras.Input((15, 17, 3), name="image")
x = layers.Rescaling(1 / 127.5, offset=-1.0)(picture)
x = layers.ZeroPadding2D(((0, 1), (0, 1)))(x)
x = layers.Conv2D(8, 3, strides=2, padding="valid", use_bias=False)(x)
x = layers.ReLU(6.0)(layers.BatchNormalization()(x))
y = layers.ReLU(6.0)(layers.BatchNormalization()(layers.DepthwiseConv2D(3, padding="same", use_bias=False)(x)))
y = layers.BatchNormalization()(layers.Conv2D(8, 1, use_bias=False)(y))
x = layers.Add()([x, y])
x = layers.ReLU(6.0)(layers.BatchNormalization()(layers.DepthwiseConv2D(3, strides=2, padding="same", use_bias=False)(x)))
x = layers.GlobalAveragePooling2D(keepdims=True)(layers.Conv2D(16, 1)(x))
x = layers.Flatten()(layers.Conv2D(4, 1)(layers.Dropout(0.2)(x)))
export("mobilenet", keras.Model(picture, layers.Softmax(name="probabilities")(x)))
answers("mobilenet")

picture = keras.Input((16, 16, 3), name="image")
x = layers.Normalization(mean=[0.1, 0.2, 0.3], variance=[0.5, 0.6, 0.7])(picture)
x = layers.Conv2D(8, 3, strides=2, padding="same", use_bias=False)(x)
x = layers.Activation("swish")(layers.BatchNormalization()(x))
y = layers.DepthwiseConv2D(5, padding="same", dilation_rate=2, use_bias=False)(x)
y = layers.Activation("swish")(layers.BatchNormalization()(y))
z = layers.Reshape((1, 1, 8))(layers.GlobalAveragePooling2D()(y))
z = layers.Conv2D(8, 1, activation="sigmoid")(layers.Conv2D(2, 1, activation="swish")(z))
x = layers.Add()([x, layers.Dropout(0.1)(layers.Multiply()([y, z]))])
x = layers.Dense(3, activation="softmax", name="probabilities")(layers.GlobalAveragePooling2D()(x))
export("efficientnet", keras.Model(picture, x))
answers("efficientnet")

picture = keras.Input((16, 16, 3), name="image")
x = layers.ZeroPadding2D(3)(picture)
x = layers.ReLU()(layers.BatchNormalization()(layers.Conv2D(8, 7, strides=2)(x)))
x = layers.MaxPooling2D(3, strides=2)(layers.ZeroPadding2D(1)(x))
short = layers.BatchNormalization()(layers.Conv2D(12, 1)(x))
x = layers.ReLU()(layers.BatchNormalization()(layers.Conv2D(4, 3, padding="same")(x)))
x = layers.LeakyReLU(0.1)(layers.Add()([short, layers.BatchNormalization()(layers.Conv2D(12, 1)(x))]))
x = layers.Concatenate()([layers.AveragePooling2D(3, strides=1, padding="same")(x), layers.MaxPooling2D(3, strides=1, padding="same")(x)])
x = layers.UpSampling2D(2)(x)
x = layers.Permute((3, 1, 2))(x)
x = layers.Dense(3, activation="softmax", name="probabilities")(layers.Flatten()(layers.Conv1D(2, 3, activation="elu")(layers.Reshape((24, 64))(x))))
export("resnet", keras.Model(picture, x))
answers("resnet")

# Small text models: their loops are unrolled.
ids = keras.Input((6,), dtype="int32", name="ids")
x = layers.Embedding(10, 4, mask_zero=True)(ids)
x = layers.Bidirectional(layers.LSTM(3, return_sequences=True, unroll=True))(x)
x = layers.LayerNormalization()(x)
x = layers.GRU(4, unroll=True)(x)
export("recurrent", keras.Model(ids, layers.Dense(2, activation="softmax", name="probabilities")(x)))
answers("recurrent")

# A loop that is not unrolled, and strings: both are refused.
x = layers.LSTM(3)(layers.Embedding(10, 4)(ids))
export("loop", keras.Model(ids, layers.Dense(2, activation="softmax", name="probabilities")(x)))


class Plain(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec((None,), tf.string, name="text")])
    def lengths(self, text):
        return {"lengths": tf.strings.length(text)}

    @tf.function(input_signature=[tf.TensorSpec((None, 4), tf.float32, name="x")])
    def logarithm(self, x):
        return {"logarithm": tf.math.log(x)}

    @tf.function(input_signature=[tf.TensorSpec((None, 4), tf.float32, name="x")])
    def digamma(self, x):
        return {"digamma": tf.math.digamma(x)}

    @tf.function(input_signature=[tf.TensorSpec((None, 3, 3, 1), tf.float32, name="x")])
    def odd(self, x):
        """A transposed convolution whose output is smaller than its input times the stride."""
        return {"odd": tf.nn.conv2d_transpose(x, tf.ones((3, 3, 1, 1)), [tf.shape(x)[0], 5, 5, 1], 2, "SAME")}

    @tf.function(input_signature=[tf.TensorSpec((None, 2), tf.float32, name="x"), tf.TensorSpec((None, 1), tf.int32, name="unused")])
    def unused(self, x, unused):
        return {"doubled": x * 2.0}

    @tf.function(input_signature=[tf.TensorSpec((None, 2, 3, 3), tf.uint8, name="picture")])
    def picture(self, picture):
        return {"means": tf.reduce_mean(tf.cast(picture, tf.float32) / 255.0, [1, 2])}


plain = Plain()
save("plain", plain, {"serving_default": plain.lengths, "logarithm": plain.logarithm, "digamma": plain.digamma, "odd": plain.odd, "unused": plain.unused, "picture": plain.picture})
answers("plain", signature="picture")
answers("plain", signature="unused")
answers("plain", signature="odd")


# Many operators, each with its own output.
class Operators(tf.Module):
    def __init__(self):
        super().__init__()
        self.kernel = tf.Variable(random.normal(size=(4, 6)).astype(np.float32))

    @tf.function(input_signature=[tf.TensorSpec((None, 4), tf.float32, name="x"), tf.TensorSpec((None, 4), tf.int32, name="n")])
    def numbers(self, x, n):
        p = tf.abs(x) + 0.1
        f = tf.cast(n, tf.float32)
        a, b, c = tf.split(tf.matmul(x, self.kernel), 3, axis=1)
        return {
            "unary": tf.stack([tf.exp(-p), tf.math.log(p), tf.sqrt(p), tf.math.rsqrt(p), tf.square(x), tf.sign(x), tf.floor(x), tf.math.ceil(x), tf.round(x * 3), tf.math.reciprocal(p), tf.math.log1p(p), tf.math.expm1(-p), tf.math.erf(x), tf.sin(x), tf.cos(x), tf.tanh(x)], axis=1),
            "activations": tf.stack([tf.nn.relu(x), tf.nn.relu6(x * 4), tf.nn.elu(x), tf.nn.selu(x), tf.nn.softplus(x), tf.nn.leaky_relu(x), tf.sigmoid(x), tf.nn.gelu(x), tf.nn.log_softmax(x), tf.clip_by_value(x, -0.5, 0.5)], axis=1),
            "binary": tf.stack([x + f, x - f, x * f, x / p, tf.maximum(x, f), tf.minimum(x, f), tf.pow(p, 1.5), tf.math.squared_difference(x, f), tf.math.floordiv(x, p), tf.math.floormod(x, p), tf.math.divide_no_nan(x, f)], axis=1),
            "whole": tf.stack([n + 2, n * n, n // 2, n % 3, -n, tf.maximum(n, 4)], axis=1),
            "compared": tf.stack([tf.where(x > 0, x, f), tf.where(tf.logical_and(x < 1, tf.logical_not(tf.equal(n, 3))), 1.0, 0.0), tf.cast(tf.logical_or(x >= 1, n <= 2), tf.float32)], axis=1),
            "reduced": tf.stack([tf.reduce_sum(x, 1), tf.reduce_max(x, 1), tf.reduce_min(x, 1), tf.reduce_prod(x, 1), tf.reduce_mean(x, [1]), tf.norm(x, axis=1)], axis=1),
            "places": tf.stack([tf.argmax(x, 1, output_type=tf.int32), tf.argmin(x, 1, output_type=tf.int32)], axis=1),
            "parts": tf.concat([a[:, ::-1], b[:, 1:], c[:, tf.newaxis, 0], tf.tile(a, [1, 2]), tf.pad(c, [[0, 0], [1, 2]], constant_values=0.5), tf.reverse(b, [1])], axis=1),
            "shaped": tf.reshape(tf.transpose(tf.reshape(x, [tf.shape(x)[0], 2, 2]), [0, 2, 1]), [-1, 4]) + tf.ones_like(x) - tf.zeros_like(x) + tf.fill([tf.shape(x)[0], 4], 2.0),
            "hot": tf.one_hot(n, 3, on_value=2.0, off_value=-1.0),
            "best": tf.math.top_k(x, 2).values,
            "summed": tf.cumsum(x, axis=1),
            "multiplied": tf.linalg.matmul(tf.reshape(x, [-1, 2, 2]), tf.reshape(f, [-1, 2, 2]), transpose_b=True),
            "einsum": tf.einsum("bij,kj->bik", tf.reshape(x, [-1, 2, 2]), self.kernel[:2, :2]),
        }

    @tf.function(input_signature=[tf.TensorSpec((None, 6, 6, 4), tf.float32, name="x")])
    def pictures(self, x):
        k = tf.reshape(self.kernel, [1, 2, 4, 3])
        return {
            "conv": tf.nn.conv2d(x, tf.reshape(k, [3, 2, 4, 1]), 2, "SAME"),
            "padded": tf.nn.conv2d(x, k, 1, [[0, 0], [1, 0], [0, 2], [0, 0]]),
            "mirrored": tf.reduce_mean(tf.pad(x, [[0, 0], [1, 1], [2, 1], [0, 0]], mode="REFLECT"), [1, 2]),
            "pooled": tf.nn.max_pool2d(tf.nn.relu(x), 3, 2, "SAME") + tf.nn.avg_pool2d(x, 3, 2, "SAME"),
            "back": tf.nn.conv2d_transpose(x[:, :3, :3], tf.reshape(self.kernel, [1, 2, 3, 4]), [tf.shape(x)[0], 6, 6, 3], 2, "SAME"),
            "resized": tf.image.resize(x, [9, 4]),
            "nearest": tf.image.resize(x, [12, 12], method="nearest"),
            "depth": tf.nn.depth_to_space(x, 2),
            "space": tf.nn.space_to_depth(x, 2),
            "channels": tf.reduce_max(x, axis=-1, keepdims=True) * x,
            "scaled": x * tf.reshape(self.kernel[:, 0], [1, 1, 4]) + tf.reduce_mean(x, [1, 2], keepdims=True),
            "flat": tf.reshape(tf.nn.relu(tf.nn.conv2d(x, k, 1, "VALID")), [-1, 90]),
            "squeezed": tf.squeeze(tf.nn.conv2d(x, tf.reshape(k, [1, 1, 4, 6]), 6, "SAME"), [1, 2]),
        }


operators = Operators()
save("operators", operators, {"serving_default": operators.numbers, "pictures": operators.pictures})
answers("operators", rows=3)
answers("operators", signature="pictures")

# The form of TensorFlow 1: variables with names, and a session that restores them.
with tf.Graph().as_default(), tf.compat.v1.Session() as session:
    # The signature feeds the parsed numbers, so the strings before them are not a part of the served model.
    text = tf.compat.v1.placeholder(tf.string, (None, 4), name="text")
    x = tf.ensure_shape(tf.strings.to_number(text), (None, 4))
    scale = tf.compat.v1.placeholder_with_default(2.0, (), name="scale")
    kernel = tf.compat.v1.get_variable("kernel", initializer=random.normal(size=(4, 2)).astype(np.float32), use_resource=False)
    bias = tf.compat.v1.get_variable("bias", initializer=np.array([0.1, 0.2], np.float32), use_resource=True)
    probabilities = tf.nn.softmax(tf.nn.bias_add(tf.matmul(x * scale, kernel), bias))
    session.run(tf.compat.v1.global_variables_initializer())
    tf.compat.v1.saved_model.simple_save(session, fresh("session"), {"x": x}, {"probabilities": probabilities})
    small("session")
answers("session")

# The same networks as frozen graphs.
for name in ["mobilenet", "efficientnet"]:
    loaded = tf.saved_model.load(HERE / name)
    frozen = convert_variables_to_constants_v2(loaded.signatures["serving_default"])
    (HERE / f"{name}.pb").write_bytes(frozen.graph.as_graph_def().SerializeToString())
    case = next(case for case in cases if case["model"] == name)
    cases.append({**case, "model": f"{name}.pb", "frozen": True})

versions = {"python": platform.python_version(), **{package: importlib.metadata.version(package) for package in ["tensorflow-cpu", "keras", "numpy"]}}
(HERE / "answers.json").write_text(json.dumps({"made_with": versions, "cases": cases}) + "\n")
