"""Small networks in PyTorch, for the tests that compare an import with PyTorch's own counts."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


class Block(nn.Module):
    """Two convolutions and a skip connection, as in ResNet."""

    def __init__(self, channels: int, out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(out)
        self.conv2 = nn.Conv2d(out, out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(out)
        self.skip: nn.Module = nn.Identity()
        if stride > 1:
            self.skip = nn.Sequential(
                nn.Conv2d(channels, out, 1, stride, bias=False), nn.BatchNorm2d(out)
            )

    def forward(self, x: Tensor) -> Tensor:
        y = functional.relu(self.bn1(self.conv1(x)))
        return functional.relu(self.bn2(self.conv2(y)) + self.skip(x))


class Residual(nn.Module):
    """A stem with pooling, three blocks, a mean and a classifier."""

    size = (3, 64, 64)

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 7, 2, 3)
        self.blocks = nn.Sequential(Block(16, 16, 1), Block(16, 32, 2), Block(32, 48, 2))
        self.head = nn.Linear(48, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.max_pool2d(functional.relu(self.stem(x)), 3, 2, 1)
        x = functional.adaptive_avg_pool2d(self.blocks(x), 1)
        return self.head(torch.flatten(x, 1))


class Separable(nn.Module):
    """Depthwise and pointwise convolutions, one gated by its own mean, and a dilated one."""

    size = (3, 33, 41)

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, (2, 1), (1, 0), bias=False)
        self.depthwise = nn.Conv2d(16, 16, 5, 2, 2, groups=16)
        self.squeeze, self.excite = nn.Conv2d(16, 4, 1), nn.Conv2d(4, 16, 1)
        self.pointwise = nn.Conv2d(16, 24, 1)
        self.grouped = nn.Conv2d(24, 36, 3, 1, 2, dilation=2, groups=4)
        self.head = nn.Linear(36, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.hardswish(self.depthwise(functional.silu(self.stem(x))))
        gate = functional.relu(self.squeeze(x.mean((2, 3), keepdim=True)))
        x = self.pointwise(x * torch.sigmoid(self.excite(gate)))
        return self.head(functional.relu6(self.grouped(x)).mean((2, 3)))


class Transformer(nn.Module):
    """Patches, a class token, one block with scaled-dot-product attention, a classifier."""

    size = (3, 32, 32)

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 32, 8, 8)
        self.token = nn.Parameter(torch.zeros(1, 1, 32))
        self.position = nn.Parameter(torch.zeros(1, 17, 32))
        self.norm1, self.norm2 = nn.LayerNorm(32), nn.LayerNorm(32)
        self.qkv, self.out = nn.Linear(32, 96), nn.Linear(32, 32)
        self.mlp1, self.mlp2 = nn.Linear(32, 80), nn.Linear(80, 32)
        self.head = nn.Linear(32, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1) + self.position
        y = self.norm1(x)
        shape = (y.shape[0], y.shape[1], 4, 8)
        q, k, v = (part.reshape(shape).transpose(1, 2) for part in self.qkv(y).chunk(3, -1))
        y = functional.scaled_dot_product_attention(q, k, v)
        x = x + self.out(y.transpose(1, 2).reshape(x.shape))
        x = x + self.mlp2(functional.gelu(self.mlp1(self.norm2(x))))
        return self.head(x[:, 0])


class Encoder(nn.Module):
    """PyTorch's own encoder layer over a sequence."""

    size = (7, 32)

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(32, 4, 64, dropout=0.0, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x)


class UNet(nn.Module):
    """Two levels; the skip is concatenated with what a transposed convolution brings up."""

    size = (3, 32, 48)

    def __init__(self) -> None:
        super().__init__()
        self.down1, self.down2 = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 16, 3, padding=1)
        self.bottom = nn.Conv2d(16, 16, 3, padding=1)
        self.up2 = nn.ConvTranspose2d(16, 16, 2, 2)
        self.level2 = nn.Conv2d(32, 16, 3, padding=1)
        self.up1 = nn.ConvTranspose2d(16, 8, 3, 2, padding=1, output_padding=1)
        self.level1 = nn.Conv2d(16, 8, 3, padding=1)
        self.head = nn.Conv2d(8, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        one = functional.relu(self.down1(x))
        two = functional.relu(self.down2(functional.max_pool2d(one, 2)))
        x = functional.relu(self.bottom(functional.max_pool2d(two, 2)))
        x = functional.relu(self.level2(torch.cat([self.up2(x), two], 1)))
        x = functional.relu(self.level1(torch.cat([self.up1(x), one], 1)))
        return self.head(x)


NETWORKS: tuple[Any, ...] = (Residual, Separable, Transformer, Encoder, UNet)
