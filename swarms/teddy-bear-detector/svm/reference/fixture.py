#!/usr/bin/env python3
"""fixture.py IMAGE... > FILE: for each its 96 x 96 RGB pixels (uint8), its 2,596 features and its two probabilities (float32, little-endian)."""
import sys
import numpy as np
from PIL import Image
from predict import features, flat, predict

for path in sys.argv[1:]:
    image = flat(Image.open(path))
    width, height = image.size
    side = min(width, height)
    left, top = (width - side) // 2, (height - side) // 2
    square = image.crop((left, top, left + side, top + side)).resize((96, 96), Image.BILINEAR)
    sys.stdout.buffer.write(np.asarray(square, np.uint8).tobytes())
    sys.stdout.buffer.write(features(square).astype('<f4').tobytes())
    sys.stdout.buffer.write(np.asarray(predict(square), '<f4').tobytes())
