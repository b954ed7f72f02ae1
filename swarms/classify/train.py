"""Makes digits.pb and the pictures in examples/: pip install scikit-learn==1.9.1 tensorflow-cpu==2.21.0; python train.py

The digits are those that scikit-learn ships: E. Alpaydin and C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning
Repository (1998), CC BY 4.0.
"""
import os
import pathlib

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import numpy as np
import tensorflow as tf
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

HERE = pathlib.Path(__file__).parent

digits = load_digits()
pixels = (digits.images / 16).astype(np.float32)
learned, tested, labels, truth = train_test_split(pixels, digits.target, test_size=0.25, random_state=0)
network = MLPClassifier((32,), alpha=1e-3, max_iter=2000, random_state=0).fit(learned.reshape(-1, 64), labels)
print(f"{network.score(tested.reshape(-1, 64), truth):.1%} of the pictures that it has not seen are right")

(hidden, output), (hidden_bias, output_bias) = ([np.float32(one) for one in values] for values in (network.coefs_, network.intercepts_))


@tf.function
def probabilities(picture):
    inner = tf.nn.relu(tf.reshape(picture, [-1, 64]) @ hidden + hidden_bias)
    return {"probabilities": tf.nn.softmax(inner @ output + output_bias)}


graph = convert_variables_to_constants_v2(probabilities.get_concrete_function(tf.TensorSpec((None, 8, 8, 1), tf.float32, name="picture"))).graph
(HERE / "digits.pb").write_bytes(graph.as_graph_def().SerializeToString(deterministic=True))


def write(name, picture):
    """A picture of 64 × 64 pixels, white on black."""
    large = np.kron(np.uint8(np.rint(picture * 255)), np.ones((8, 8), np.uint8))
    (HERE / "examples" / name).write_bytes(tf.io.encode_png(large[..., None]).numpy())


scores = network.predict_proba(tested.reshape(-1, 64))
right = scores.argmax(1) == truth
write("classify.png", tested[np.flatnonzero(right & (truth == 7))[0]])
write("unclear.png", tested[np.argmin(scores.max(1))])
