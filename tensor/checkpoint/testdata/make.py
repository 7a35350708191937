"""Makes the PyTorch fixtures of this folder; see README.md."""
import argparse
import collections
import zipfile

import numpy as np
import torch


def ramp(n, dtype=torch.float32):
    return (torch.arange(n, dtype=torch.float64) * 0.75 - 3).to(dtype)


torch.save({
    "f32": ramp(6).reshape(2, 3), "f16": ramp(6, torch.float16), "bf16": ramp(6, torch.bfloat16),
    "f64": ramp(6, torch.float64), "i64": torch.tensor([-(2 ** 40), 7]), "i32": torch.tensor([-70000, 7], dtype=torch.int32),
    "i16": torch.tensor([-300, 7], dtype=torch.int16), "i8": torch.tensor([-3, 7], dtype=torch.int8),
    "u8": torch.tensor([253, 7], dtype=torch.uint8), "bool": torch.tensor([True, False]), "c64": torch.ones(2, dtype=torch.complex64),
}, "dtypes.pt")

base = ramp(24).reshape(4, 6)
views = collections.OrderedDict(
    base=base, transposed=base.t(), rows=base[1:3], columns=base[:, 2:4], steps=base[::2, 1::3], permuted=base.reshape(2, 3, 4).permute(2, 0, 1),
    expanded=base[0, :1].expand(5), scalar=base[3, 5], empty=base[:0], parameter=torch.nn.Parameter(base[3]),
)
torch.save(views, "views.pt")
torch.save(views, "views_legacy.pt", _use_new_zipfile_serialization=False)
torch.save(views, "views_protocol4.pt", pickle_protocol=4)

model = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.LayerNorm(2))
state = {k: ramp(v.numel()).reshape(v.shape) for k, v in model.state_dict().items()}
optimizer = torch.optim.AdamW(model.parameters())
model(torch.ones(1, 3)).sum().backward()
optimizer.step()
torch.save({
    "student": {"module.backbone." + k: -v for k, v in state.items()},
    "teacher": {"backbone." + k: v for k, v in state.items()} | {"head.last_layer.weight_g": ramp(2)},
    "optimizer": optimizer.state_dict(), "epoch": 100, "arch": "vit_small", "loss": 2.5, "amp": True, "score": np.float64(0.5),
    "args": argparse.Namespace(lr=0.1, device=torch.device("cpu"), dtype=torch.float16, size=torch.Size([2])),
    "dino_loss": {"center": torch.zeros(1, 4)}, "history": collections.defaultdict(list, {"a": [1, 2.5, None, {3}]}), "array": np.zeros(2),
}, "full.pt")


class Norm(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(-ramp(2))
        self.register_buffer("mean", ramp(4).reshape(2, 2).t())
        self.eps = 1e-5

    def forward(self, x):
        return (x - self.mean[0]) * self.weight + self.eps


class Tower(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = torch.nn.Conv2d(1, 2, 1)
        self.conv1.weight.data = ramp(2).reshape(2, 1, 1, 1)
        self.conv1.bias.data = ramp(2)
        self.proj = torch.nn.Parameter(ramp(6, torch.float16).reshape(2, 3))
        self.blocks = torch.nn.Sequential(Norm(), Norm())
        self.sizes = [1, 2]
        self.rates = [0.5]
        self.flags = [True]
        self.by_name = {"a": 1}
        self.pair = (1, "b")
        self.nothing = None

    def forward(self, x):
        return self.blocks(self.conv1(x).flatten(1)) @ self.proj.float()


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.visual = Tower()
        self.head = torch.nn.Linear(2, 2, bias=False)
        self.head.weight.data = ramp(4).reshape(2, 2)
        self.tied = self.head.weight
        self.register_buffer("input_resolution", torch.tensor(224))
        self.context = 77
        self.name = "tower"

    def forward(self, x):
        return self.visual(x)


def save(module, path):
    """Leaves out where each line of the source came from: paths of the machine."""
    torch.jit.save(module, path)
    with zipfile.ZipFile(path) as z:
        members = [(m, z.read(m)) for m in z.infolist() if not m.filename.endswith(".debug_pkl")]
    with zipfile.ZipFile(path, "w") as z:
        for m, data in members:
            z.writestr(m, data)
    torch.jit.load(path)


model = Model().eval()
save(torch.jit.script(model), "script.pt")
save(torch.jit.trace(model, torch.ones(1, 1, 1, 1)), "trace.pt")
