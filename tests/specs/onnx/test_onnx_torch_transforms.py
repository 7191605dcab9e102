"""What PyTorch's newer exporter makes of volumes, transforms, einsums and shared heads."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from codesign.specs.onnx import import_onnx

torch = pytest.importorskip("torch", reason="needs PyTorch: pip install 'codesign[torch]'")
pytest.importorskip("onnxscript", reason="needs onnxscript: pip install 'codesign[torch]'")

from torch import Tensor, nn  # noqa: E402
from torch.nn import functional  # noqa: E402

pytestmark = [pytest.mark.long, pytest.mark.filterwarnings("ignore")]  # of the exporter


class Video(nn.Module):
    """Convolutions in three dimensions, some of frames or of time alone, one transposed."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv3d(3, 8, 3, stride=(1, 2, 2), padding=1)
        self.frames = nn.Conv3d(8, 8, (1, 3, 3), padding=(0, 1, 1))
        self.time = nn.Conv3d(8, 8, (3, 1, 1), padding=(1, 0, 0))
        self.up = nn.ConvTranspose3d(8, 4, 2, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu(self.stem(x))
        x = functional.max_pool3d(self.time(self.frames(x)) + x, 2)
        return self.up(x).mean((2, 3, 4))


class Spectrogram(nn.Module):
    """The power of a short-time transform, and a product by bands."""

    def __init__(self) -> None:
        super().__init__()
        self.bands = nn.Linear(33, 8)
        self.register_buffer("window", torch.hann_window(64))

    def forward(self, x: Tensor) -> Tensor:
        found = torch.stft(x, 64, 16, window=self.window, return_complex=True)
        power = torch.view_as_real(found).pow(2).sum(-1)
        return self.bands(power.transpose(1, 2))


class Spectrum(nn.Module):
    """The power of a transform, and a product by bands."""

    def __init__(self) -> None:
        super().__init__()
        self.bands = nn.Linear(17, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.bands(torch.view_as_real(torch.fft.rfft(x)).pow(2).sum(-1))


class Contracted(nn.Module):
    """An einsum with an ellipsis and two matrices of weights."""

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Parameter(torch.ones(40, 6))
        self.other = nn.Parameter(torch.ones(6, 30))

    def forward(self, x: Tensor) -> Tensor:
        return torch.einsum("...d,de,ef->...f", x, self.one, self.other)


class SharedHeads(nn.Module):
    """8 heads of queries that share 2 of keys and values."""

    def __init__(self) -> None:
        super().__init__()
        self.q, self.k, self.v = nn.Linear(32, 32), nn.Linear(32, 8), nn.Linear(32, 8)

    def forward(self, x: Tensor) -> Tensor:
        images, tokens, _ = x.shape
        q, k, v = (
            part(x).view(images, tokens, -1, 4).transpose(1, 2) for part in (self.q, self.k, self.v)
        )
        found = functional.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
        return found.transpose(1, 2).reshape(images, tokens, 32)


# Kind, size of its input, opset, products.
CASES: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...], int, int]] = {
    "video": (
        *(Video, (1, 3, 6, 16, 16), 18),  # the transposed one counts its inserted zeros
        6 * 64 * 8 * (81 + 72 + 24) + 6 * 8 * 8 * 4 * 64,
    ),
    # 400 samples and 32 reflected on both sides: 26 frames
    "spectrogram": (Spectrogram, (2, 400), 18, 2 * 26 * (64 * 2 * 33 + 33 * 8)),
    "spectrum": (Spectrum, (2, 3, 32), 18, 2 * 3 * (32 * 2 * 17 + 17 * 4)),
    "spectrum, newest": (Spectrum, (2, 3, 32), 20, 2 * 3 * (32 * 2 * 17 + 17 * 4)),
    "contracted": (Contracted, (2, 7, 40), 18, 2 * 7 * (40 * 6 + 6 * 30)),
    "shared heads": (SharedHeads, (1, 6, 32), 18, 6 * 32 * 48 + 2 * 8 * 36 * 4),
    "shared heads, newest": (SharedHeads, (1, 6, 32), 23, 6 * 32 * 48 + 2 * 8 * 36 * 4),
}


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """The exporter reports what it does."""
    logging.disable(logging.WARNING)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("case", CASES)
def test_products_are_those_of_the_sizes(case: str, tmp_path: Path) -> None:
    kind, size, opset, macs = CASES[case]
    path = tmp_path / "exported.onnx"
    torch.onnx.export(
        *(kind().eval(), (torch.ones(size),), path),
        dynamo=True,
        verbose=False,
        opset_version=opset,
    )
    assert import_onnx(path).network.macs == macs
