"""Train a network on the digits, the same at every run, and fold its batch normalisation away."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from architectures import ARCHITECTURES, SIDE, Net
from sklearn.datasets import load_digits
from sklearn.model_selection import StratifiedKFold
from torch import Tensor, nn

FOLDS = 3
SPLIT_SEED = 2021
BRIGHTEST = 16.0  # of a pixel
EPOCHS = 60
BATCH = 64
PEAK_RATE = 1e-2  # of learning, in a one-cycle schedule
SHIFT = 1  # pixels a training image is shifted by at most


@dataclass(frozen=True)
class Images:
    """Images (n, 1, 8, 8), 0 to 1, with their digits (n,)."""

    values: Tensor
    digits: Tensor

    def __len__(self) -> int:
        return len(self.values)


@dataclass(frozen=True)
class Split:
    """What a network is trained and calibrated on, and the images it never saw."""

    trained: Images
    held_out: Images


def splits(most: int | None = None) -> list[Split]:
    """Three folds of the 1,797 digits, each image held out once; ``most`` images of each part."""
    digits = load_digits()
    values = torch.tensor(digits.images[:, None] / BRIGHTEST, dtype=torch.float32)
    labels = torch.tensor(digits.target)
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=SPLIT_SEED)
    return [
        Split(*(Images(values[part[:most]], labels[part[:most]]) for part in parts))
        for parts in folds.split(digits.data, digits.target)
    ]


def be_deterministic() -> None:
    """One thread, and no algorithm whose result depends on timing."""
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)


def train(architecture: str, images: Images, seed: int, epochs: int = EPOCHS) -> Net:
    """A trained network with its normalisation folded into weights and biases."""
    torch.manual_seed(seed)
    net = Net(ARCHITECTURES[architecture])
    optimiser = torch.optim.AdamW(net.parameters(), lr=PEAK_RATE, weight_decay=1e-2)
    steps = -(-len(images) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, PEAK_RATE, total_steps=epochs * steps)
    net.train()
    for _ in range(epochs):
        for chosen in torch.randperm(len(images)).split(BATCH):
            logits = net(_shifted(images.values[chosen]))
            loss = nn.functional.cross_entropy(logits, images.digits[chosen], label_smoothing=0.05)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
    return folded(net)


def _shifted(values: Tensor) -> Tensor:
    """The batch moved by up to a pixel, one shift for all."""
    wide = nn.functional.pad(values, (SHIFT,) * 4)
    down, right = torch.randint(2 * SHIFT + 1, (2,)).tolist()
    return wide[:, :, down : down + SIDE, right : right + SIDE]


def folded(net: Net) -> Net:
    """The same function in evaluation, its batch normalisation moved into weights and biases."""
    plain = Net(net.steps)
    plain.load_state_dict(net.state_dict())
    with torch.no_grad():
        for index, norm in enumerate(plain.norms):
            if isinstance(norm, nn.BatchNorm2d):
                mac = plain.macs[index]
                gain = norm.weight / torch.sqrt(norm.running_var + norm.eps)
                mac.weight.mul_(gain[:, None, None, None])
                mac.bias.copy_((mac.bias - norm.running_mean) * gain + norm.bias)
                plain.norms[index] = nn.Identity()
    return plain.requires_grad_(False).eval()


def weights_of(net: Net) -> dict[str, np.ndarray]:
    """Weight array of each layer, output channels first."""
    return {
        step.name: mac.weight.detach().numpy()
        for step, mac in zip(net.steps, net.macs, strict=True)
    }
