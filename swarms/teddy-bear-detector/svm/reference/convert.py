#!/usr/bin/env python3
"""svm.npz -> ../svm.f32: little-endian float32, the 2,596 weights, then the bias, then Platt's two."""
import os
import numpy as np

here = os.path.dirname(os.path.abspath(__file__))
model = np.load(os.path.join(here, 'svm.npz'))
parts = [np.ravel(model[name]).astype('<f4') for name in ('w', 'b', 'platt')]
np.concatenate(parts).tofile(os.path.join(here, '..', 'svm.f32'))
