#!/usr/bin/env python3
"""Times PyTorch on the work of the Go benchmarks of the same names. usage: torch_cpu.py GROUP THREADS SECONDS"""
import resource
import sys
import time

import torch
from torch.nn import functional as F

from models import SIZES, Block, PromptCAM, ViT, attention

GROUP, THREADS, SECONDS = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
PROMPTED = [('ViT-Ti', 100, 16), ('ViT-S', 200, 8), ('ViT-B', 200, 8)]  # classes, images


def line(name, value, unit, runs=1, seconds=0.0):
    suffix = f'-{THREADS}' if THREADS > 1 else ''
    print(f'Benchmark{name}{suffix} {runs} {1e9 * seconds / runs:.0f} ns/op {value:.5g} {unit}', flush=True)


def measure(name, amount, unit, f):
    f()  # not timed
    runs, began, took = 0, time.perf_counter(), 0.0
    while took < SECONDS:
        f()
        runs, took = runs + 1, time.perf_counter() - began
    line(name, amount * runs / took, unit, runs, took)


def without_grad(f):
    def run():
        with torch.no_grad():
            f()
    return run


def step(model, images):
    labels = torch.arange(len(images))
    opt = torch.optim.SGD([model.prompts, *model.head.parameters()], lr=0.005, momentum=0.9, weight_decay=1e-3)

    def run():
        opt.zero_grad()
        F.cross_entropy(model(images), labels).backward()
        opt.step()
    return run


def attention_():
    for b, h, r, a, d in (8, 6, 197, 197, 64), (8, 12, 197, 397, 64):
        q, k, v = torch.randn(b, h, r, d), torch.randn(b, h, a, d), torch.randn(b, h, a, d)
        measure(f'Attention/{b}x{h}x{r}x{a}x{d}', 4e-9 * b * h * r * a * d, 'GFLOP/s', without_grad(lambda: attention(q, k, v)))


def block():
    b, n, (d, h) = 8, 197, SIZES['ViT-S']
    m, x, g = Block(d, h), torch.randn(b, n, d), torch.randn(b, n, d)
    gflop = 1e-9 * (24 * b * n * d * d + 4 * b * n * n * d)

    def both():
        m.zero_grad(set_to_none=True)
        m(x.clone().requires_grad_(True)).backward(g)
    measure('Block/forward/ViT-S_b8', gflop, 'GFLOP/s', without_grad(lambda: m(x)))
    measure('Block/forward+backward/ViT-S_b8', 3 * gflop, 'GFLOP/s', both)


def vit():
    for name, batches in ('ViT-Ti', (1, 8, 16)), ('ViT-S', (1, 8)), ('ViT-B', (1, 8)):
        m = ViT(name)
        for b in batches:
            x = torch.randn(b, 3, 224, 224)
            measure(f'ViT/forward/{name}_b{b}', b, 'images/s', without_grad(lambda: m(x)))


def promptcam():
    for name, c, b in PROMPTED:
        m, x = PromptCAM(name, c), torch.randn(b, 3, 224, 224)
        measure(f'PromptCAM/forward/{name}_C{c}_b{b}', b, 'images/s', without_grad(lambda: m(x)))
        measure(f'PromptCAM/train/{name}_C{c}_b{b}', b, 'images/s', step(m, x))


def rank():
    # Each of H rounds blurs every head that is left, one whole pass each, after a
    # pass without blurring. One pass stands for all: blurring costs nothing beside it.
    for name, c, _ in PROMPTED:
        h = SIZES[name][1]
        m, x = PromptCAM(name, c), torch.randn(1, 3, 224, 224)
        measure(f'Rank/heads/{name}_C{c}', 1 / (h * (h + 1) // 2 + 1), 'images/s', without_grad(lambda: m(x)))


def memory():
    step(PromptCAM('ViT-B', 200), torch.randn(16, 3, 224, 224))()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == 'darwin' else 1024)
    line('Memory/train/ViT-B_C200_b16', peak / 1e6, 'peak-MB')


torch.set_num_threads(THREADS)
torch.manual_seed(0)
groups = {'attention': attention_, 'block': block, 'vit': vit, 'promptcam': promptcam, 'rank': rank, 'memory': memory}
groups[GROUP]()
