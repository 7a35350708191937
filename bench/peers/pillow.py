#!/usr/bin/env python3
"""Times Pillow and NumPy on turning a photograph into a network's input. usage: pillow.py FILE SECONDS"""
import sys
import time

import numpy as np
from PIL import Image

path, seconds = sys.argv[1], float(sys.argv[2])
mean = std = np.float32([0.5, 0.5, 0.5])[:, None, None]


def load():
    with Image.open(path) as photo:
        small = photo.convert('RGB').resize((224, 224), Image.BILINEAR)
    return (np.ascontiguousarray(np.asarray(small).transpose(2, 0, 1)).astype(np.float32) / 255 - mean) / std


load()  # not timed
runs, began, took = 0, time.perf_counter(), 0.0
while took < seconds:
    load()
    runs, took = runs + 1, time.perf_counter() - began
print(f'BenchmarkImage/JPEG_500x375 {runs} {1e9 * took / runs:.0f} ns/op {runs / took:.5g} images/s')
