"""Makes fraud.onnx: pip install scikit-learn==1.9.1 skl2onnx==1.20.0; python train.py

The payments are made up, with a fixed seed. Fraud is one of two kinds: a stolen card that buys dear things, often abroad,
or a list of cards that a program tries with many small payments.
"""
import pathlib

import numpy as np
from skl2onnx import to_onnx
from sklearn.ensemble import GradientBoostingClassifier

random = np.random.default_rng(2021)


def payments(count, usual, times_usual, in_ten_minutes, abroad):
    """Columns as history.ts gives them: amount, times_usual, in_ten_minutes, new_country."""
    times = random.lognormal(*times_usual, count)
    return np.column_stack([
        random.lognormal(*usual, count) * times,
        times,
        1 + random.poisson(in_ten_minutes, count),
        random.random(count) < abroad,
    ]).astype(np.float32)


genuine = payments(18_000, (3.3, 0.7), (0.0, 0.6), 0.15, 0.03)
stolen = payments(1_000, (3.3, 0.7), (2.2, 0.7), 0.6, 0.5)
tried = payments(1_000, (3.0, 0.5), (-1.2, 0.5), 6.0, 0.3)

columns = np.concatenate([genuine, stolen, tried])
labels = np.repeat(["genuine", "fraud"], [len(genuine), len(stolen) + len(tried)])
model = GradientBoostingClassifier(n_estimators=40, max_depth=3, random_state=0).fit(columns, labels)
onnx = to_onnx(model, columns[:1], options={"zipmap": False})
# The converter chooses a name for the graph, and the order of its operator sets, by chance.
onnx.graph.name = "fraud"
onnx.opset_import.sort(key=lambda operators: operators.domain)
pathlib.Path(__file__).with_name("fraud.onnx").write_bytes(onnx.SerializeToString())
