"""A vision transformer and Prompt-CAM as PyTorch users write them: the work that torch_cpu.py times and export_onnx.py writes."""
import math
import torch
from torch import nn
from torch.nn import functional as F

SIZES = {'ViT-Ti': (192, 3), 'ViT-S': (384, 6), 'ViT-B': (768, 12)}  # width, heads; 12 blocks, patches of 16 pixels


class Block(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(dim, eps=1e-6), nn.LayerNorm(dim, eps=1e-6)
        self.qkv, self.proj = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.fc1, self.fc2 = nn.Linear(dim, 4 * dim), nn.Linear(4 * dim, dim)

    def forward(self, x):
        b, n, d = x.shape
        qkv = self.qkv(self.norm1(x)).reshape(b, n, 3, self.heads, d // self.heads)
        y = attention(*qkv.permute(2, 0, 3, 1, 4).unbind(0)).transpose(1, 2).reshape(b, n, d)
        x = x + self.proj(y)
        return x + self.fc2(F.gelu(self.fc1(self.norm2(x))))


def attention(q, k, v):  # [B, H, R, d], [B, H, A, d] twice
    if hasattr(F, 'scaled_dot_product_attention'):  # since 2.0, and faster
        return F.scaled_dot_product_attention(q, k, v)
    return (q * q.shape[-1] ** -0.5 @ k.transpose(-2, -1)).softmax(-1) @ v


class ViT(nn.Module):
    def __init__(self, name, image=224, patch=16, depth=12):
        super().__init__()
        dim, heads = SIZES[name]
        self.embed = nn.Conv2d(3, dim, patch, patch)
        self.token = nn.Parameter(torch.zeros(1, 1, dim))
        self.position = nn.Parameter(0.02 * torch.randn(1, (image // patch) ** 2 + 1, dim))
        self.blocks = nn.ModuleList(Block(dim, heads) for _ in range(depth))
        self.norm = nn.LayerNorm(dim, eps=1e-6)

    def tokens(self, images):
        return torch.cat([self.token.expand(images.shape[0], -1, -1), self.embed(images).flatten(2).transpose(1, 2)], 1) + self.position

    def forward(self, images):
        x = self.tokens(images)
        for block in self.blocks:
            x = block(x)
        return self.norm(x)


class PromptCAM(nn.Module):
    """The authors' way, mode deep: in each layer C prompts are put before the tokens and cut off again behind it."""

    def __init__(self, name, classes):
        super().__init__()
        self.vit = ViT(name).requires_grad_(False)
        dim, depth = SIZES[name][0], len(self.vit.blocks)
        limit = math.sqrt(6 / (3 * 16 * 16 + dim))
        self.prompts = nn.Parameter(torch.empty(depth, classes, dim).uniform_(-limit, limit))
        self.head = nn.Linear(dim, 1)

    def forward(self, images):
        x = self.vit.tokens(images)
        c = self.prompts.shape[1]
        for i, block in enumerate(self.vit.blocks):
            if i > 0:
                x = x[:, c:]
            x = block(torch.cat([self.prompts[i].expand(len(x), -1, -1), x], 1))
        return self.head(self.vit.norm(x)[:, :c]).squeeze(-1)  # [B, C]
