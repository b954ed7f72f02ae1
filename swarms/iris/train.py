"""Trains the model of this swarm: pip install scikit-learn skl2onnx; python train.py"""
import pathlib

import numpy as np
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from skl2onnx import to_onnx

iris = load_iris()
measures = iris.data.astype(np.float32)
model = LogisticRegression(max_iter=500).fit(measures, iris.target_names[iris.target])
onnx = to_onnx(model, measures[:1])
pathlib.Path(__file__).with_name("iris.onnx").write_bytes(onnx.SerializeToString())
