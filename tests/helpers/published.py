"""What the sources of shipped networks and memories publish."""

from __future__ import annotations

import math

from codesign.specs.load import load_technology

# torchvision/models/*.py, ``meta`` of each network's ImageNet weights at 224 × 224: ``num_params``
# and ``_ops`` (10⁹ multiply-accumulates, three decimals; the documentation shows two, as GFLOPS).
# The exact MACs are the sums of N·G·K·C·R·S·P·Q behind ``_ops``.
PUBLISHED: dict[str, tuple[int, float, int]] = {  # exact MACs, _ops, num_params
    "alexnet": (714_188_480, 0.714, 61_100_840),
    "vgg16": (15_470_264_320, 15.47, 138_357_544),
    "resnet18": (1_814_073_344, 1.814, 11_689_512),
    "resnet50": (4_089_184_256, 4.089, 25_557_032),
    "resnet152": (11_513_626_624, 11.514, 60_192_808),
    "mobilenetv2": (300_774_272, 0.301, 3_504_872),
    "vit_b_16": (17_563_828_224, 17.564, 86_567_656),
}
# By their parameters: the elements of all tensors of the checkpoints `gpt2` and
# `meta-llama/Llama-3.2-1B`, the tied table of embeddings once.
DECODERS: dict[str, int] = {"gpt2": 124_439_808, "llama-1b": 1_235_814_400}
# Jouppi et al., ISCA 2017, Table 1: layers (fully connected, convolutions, element-wise, poolings),
# weights in 10⁶, batch, operations per byte of weights, where a MAC counts once.
TPU_APPLICATIONS: dict[str, tuple[tuple[int, int, int, int], int, int, int]] = {
    "tpu_mlp0": ((5, 0, 0, 0), 20, 200, 200),
    "tpu_mlp1": ((4, 0, 0, 0), 5, 168, 168),
    "tpu_lstm0": ((24, 0, 34, 0), 52, 64, 64),
    "tpu_lstm1": ((37, 0, 19, 0), 34, 96, 96),
    "tpu_cnn0": ((0, 16, 0, 0), 8, 8, 2888),
    "tpu_cnn1": ((4, 72, 0, 13), 100, 32, 1750),
}
GBIT_PER_S = {
    "ddr4-2400": 153.6,  # 2.4 GT/s × 64 bit (JEDEC JESD79-4; Karbachevsky et al., Figures 8, 9)
    "hbm2": 2048.0,  # 2 GT/s × 1024 bit = 256 GB/s (JEDEC JESD235A)
    "lpddr4x-4266": 273.024,  # 4.266 GT/s × 64 bit (JEDEC JESD209-4, JESD209-4-1)
    "lpddr5-6400": 409.6,  # 6.4 GT/s × 64 bit (JEDEC JESD209-5)
}


def pe_bops(bits: int) -> float:
    """BOPS of a 3×3 PE of equal operand widths: 9·(b² + 2b + log2 9)."""
    return 9 * (bits**2 + 2 * bits + math.log2(9))


def measured_pes() -> dict[str, float]:
    return {pe.precision: pe.area_um2 for pe in load_technology("tsmc28").pe_measured}
