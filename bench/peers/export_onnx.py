#!/usr/bin/env python3
"""Writes vision transformers of random weights for ort.cjs. usage: export_onnx.py DIR NAME BATCH, as in: models ViT-S 8

The exporter burns the batch into some reshapes, so that each batch needs a file of its own."""
import os
import sys

import torch

from models import ViT

out, name, batch = sys.argv[1], sys.argv[2], int(sys.argv[3])
os.makedirs(out, exist_ok=True)
torch.onnx.export(ViT(name).eval(), torch.randn(batch, 3, 224, 224), os.path.join(out, f'{name}_b{batch}.onnx'),
                  opset_version=16, input_names=['x'], output_names=['y'])
