"""Every shipped description loads and agrees with what its source publishes.

Networks against torchvision's operation and parameter counts, the technology against the published
fits and tables, memories against their standards, accelerators against their papers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest
from published import DECODERS, GBIT_PER_S, PUBLISHED, TPU_APPLICATIONS, measured_pes, pe_bops

from codesign.costs.area import pe_area_um2
from codesign.specs.load import (
    describe_network,
    load_accelerator,
    load_memory,
    load_network,
    load_technology,
    models_folder,
    shipped,
)
from codesign.specs.network import Layer, Network
from codesign.specs.technology import QuadraticFit

LOADERS: dict[str, Callable[[str], Any]] = {
    "accelerators": load_accelerator,
    "memories": load_memory,
    "networks": describe_network,
    "technologies": load_technology,
}


def biases(layers: Iterable[Layer]) -> int:
    """One per output channel of each layer that owns weights."""
    return sum(layer.G * layer.K for layer in layers if layer.weight_tensor is None)


def batch_norms(layers: Iterable[Layer]) -> int:
    """A scale and a shift per output channel of each convolution."""
    return 2 * sum(layer.G * layer.K for layer in layers)


def parameters_of_biased(network: Network) -> int:
    """AlexNet and VGG: every layer has a bias."""
    return network.weights + biases(network.layers)


def parameters_of_normalised(network: Network) -> int:
    """ResNet and MobileNet: convolutions have batch normalisation, the classifier a bias."""
    *convolutions, classifier = network.layers
    return network.weights + batch_norms(convolutions) + biases([classifier])


def parameters_of_transformer(network: Network) -> int:
    """ViT: biases, two LayerNorms per block and a last one, class token, positional embedding."""
    projection = network.layers[0]
    features = projection.K
    tokens = projection.P * projection.Q + 1  # the patches and the class token
    blocks = sum(layer.name.endswith(".mlp2") for layer in network.layers)
    layer_norms = (2 * blocks + 1) * 2 * features
    return network.weights + biases(network.layers) + layer_norms + features + tokens * features


PARAMETERS: dict[str, Callable[[Network], int]] = {
    "alexnet": parameters_of_biased,
    "vgg16": parameters_of_biased,
    "resnet18": parameters_of_normalised,
    "resnet50": parameters_of_normalised,
    "resnet152": parameters_of_normalised,
    "mobilenetv2": parameters_of_normalised,
    "vit_b_16": parameters_of_transformer,
}

# Layers that store fewer elements than they compute, and how many of them: channels × rows ×
# columns after the fused pooling; for ViT the class token alone.
POOLED: dict[str, dict[str, int]] = {
    "alexnet": {
        "features.0": 64 * 27 * 27,
        "features.3": 192 * 13 * 13,
        "features.10": 256 * 6 * 6,
    },
    "vgg16": {
        "features.2": 64 * 112 * 112,
        "features.7": 128 * 56 * 56,
        "features.14": 256 * 28 * 28,
        "features.21": 512 * 14 * 14,
        "features.28": 512 * 7 * 7,
    },
    "resnet18": {"conv1": 64 * 56 * 56, "layer4.1.conv2": 512},
    "resnet50": {"conv1": 64 * 56 * 56, "layer4.2.conv3": 2048},
    "resnet152": {"conv1": 64 * 56 * 56, "layer4.2.conv3": 2048},
    "mobilenetv2": {"features.18.0": 1280},
    "vit_b_16": {"encoder.11.mlp2": 768},
}


# --- every file -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "name"), [(kind, name) for kind in LOADERS for name in shipped(kind)]
)
def test_file_loads_under_its_own_name(kind: str, name: str) -> None:
    description = LOADERS[kind](name)
    assert description.name == name
    assert description.source


def test_no_file_is_left_out() -> None:
    found = {path.relative_to(models_folder()) for path in models_folder().rglob("*.toml")}
    loaded = {f"{kind}/{name}.toml" for kind in LOADERS for name in shipped(kind)}
    assert {path.as_posix() for path in found} == loaded


def test_every_network_has_published_counts() -> None:
    assert set(PUBLISHED) == set(PARAMETERS) == set(POOLED)
    assert {*PUBLISHED, *TPU_APPLICATIONS, *DECODERS} == set(shipped("networks"))


# --- networks -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PUBLISHED)
def test_macs_are_the_published_ones(name: str) -> None:
    exact, billions, _ = PUBLISHED[name]
    macs = load_network(name).macs
    assert macs == exact
    assert round(macs / 1e9, 3) == billions


@pytest.mark.parametrize("name", PUBLISHED)
def test_parameters_are_the_published_ones(name: str) -> None:
    _, _, published = PUBLISHED[name]
    assert PARAMETERS[name](load_network(name)) == published


@pytest.mark.parametrize("name", PUBLISHED)
def test_image_goes_in_and_class_scores_come_out(name: str) -> None:
    network = load_network(name)
    written = {layer.output for layer in network.layers}
    inputs = [tensor for tensor in network.tensors if tensor not in written]
    assert inputs == ["image"]
    assert network.tensors["image"] == 3 * 224 * 224
    assert network.outputs == ("logits",)
    assert network.tensors["logits"] == 1000


@pytest.mark.parametrize("name", PUBLISHED)
def test_only_pooling_makes_a_tensor_smaller(name: str) -> None:
    network = load_network(name)
    pooled = {}
    for layer in network.layers:
        stored, computed = network.tensors[layer.output], layer.computed_outputs + layer.appended
        if stored != computed:
            pooled[layer.name] = stored
    assert pooled == POOLED[name]


@pytest.mark.parametrize("name", ["vgg16", "resnet18", "resnet50", "resnet152", "mobilenetv2"])
def test_convolutions_are_padded_to_keep_the_resolution(name: str) -> None:
    # Padding (kernel − 1) / 2 on each side: the stride alone sets the output size.
    for layer in load_network(name).layers:
        assert isinstance(layer.stride, int)
        strided = tuple(-(-size // layer.stride) for size in (layer.H, layer.W))
        assert strided == (layer.P, layer.Q)


@pytest.mark.parametrize("name", PUBLISHED)
def test_residuals_have_the_shape_they_are_added_to(name: str) -> None:
    network = load_network(name)
    for layer in network.layers:
        for residual in layer.residuals:
            assert network.tensors[residual] == layer.computed_outputs


@pytest.mark.parametrize(
    ("name", "layers", "residual_layers", "depthwise_layers", "activation_products"),
    [
        # 5 convolutions, 3 fully connected
        ("alexnet", 8, 0, 0, 0),
        # 13 convolutions, 3 fully connected
        ("vgg16", 16, 0, 0, 0),
        # first, 8 blocks of 2, 3 downsamples, last
        ("resnet18", 1 + 8 * 2 + 3 + 1, 8, 0, 0),
        # first, 3 + 4 + 6 + 3 blocks of 3, 4 downsamples, last
        ("resnet50", 1 + 16 * 3 + 4 + 1, 16, 0, 0),
        # first, 3 + 8 + 36 + 3 blocks of 3, 4 downsamples, last
        ("resnet152", 1 + 50 * 3 + 4 + 1, 50, 0, 0),
        # first, a block of 2, 16 blocks of 3, 1×1, last; 17 blocks less 7 that change the shape
        ("mobilenetv2", 1 + 2 + 16 * 3 + 1 + 1, 10, 17, 0),
        # patches, 12 blocks of 8, head; two skips and two products per block
        ("vit_b_16", 1 + 12 * 8 + 1, 24, 0, 24),
    ],
)
def test_structure(
    name: str, layers: int, residual_layers: int, depthwise_layers: int, activation_products: int
) -> None:
    network = load_network(name)
    assert len(network.layers) == layers
    assert sum(bool(layer.residuals) for layer in network.layers) == residual_layers
    assert sum(layer.G > 1 and layer.K == layer.C == 1 for layer in network.layers) == (
        depthwise_layers
    )
    products = [layer for layer in network.layers if layer.weight_tensor is not None]
    assert len(products) == activation_products
    assert len(network.weight_layers) == layers - activation_products


@pytest.mark.parametrize("name", ["resnet50", "resnet152"])
def test_bottlenecks_stride_in_the_3x3_convolution(name: str) -> None:
    strided = {layer.name for layer in load_network(name).layers if layer.stride != 1}
    halving = {f"layer{stage}.0.{part}" for stage in (2, 3, 4) for part in ("conv2", "downsample")}
    assert strided == {"conv1"} | halving


@pytest.mark.parametrize("name", ["resnet18", "resnet50", "resnet152"])
def test_downsampled_skips_are_read_by_the_last_convolution_of_their_block(name: str) -> None:
    layers = {layer.name: layer for layer in load_network(name).layers}
    last = "conv2" if name == "resnet18" else "conv3"
    for layer in layers.values():
        block, _, part = layer.name.rpartition(".")
        if part == "downsample":
            assert layers[f"{block}.{last}"].residuals == (layer.output,)
            assert layer.input == layers[f"{block}.conv1"].input
        elif part == last and f"{block}.downsample" not in layers:
            assert layer.residuals == (layers[f"{block}.conv1"].input,)


def test_attention_multiplies_queries_by_keys_and_scores_by_values() -> None:
    network = load_network("vit_b_16")
    layers = {layer.name: layer for layer in network.layers}
    tokens, heads, features = 197, 12, 768
    assert layers["conv_proj"].appended == features
    assert network.tensors[layers["conv_proj"].output] == tokens * features
    for block in (f"encoder.{index}" for index in range(12)):
        assert len({layers[f"{block}.{part}"].input for part in "qkv"}) == 1
        qk, av = layers[f"{block}.qk"], layers[f"{block}.av"]
        assert (qk.input, qk.weight_tensor) == tuple(layers[f"{block}.{p}"].output for p in "qk")
        assert (av.input, av.weight_tensor) == (qk.output, layers[f"{block}.v"].output)
        assert network.tensors[qk.output] == heads * tokens * tokens
        assert layers[f"{block}.out_proj"].input == av.output
        assert layers[f"{block}.out_proj"].residuals == (layers[f"{block}.q"].input,)
        assert layers[f"{block}.mlp2"].residuals == (layers[f"{block}.mlp1"].input,)


# --- technologies: Karbachevsky et al., Sustainability 2021, 13, 717 ------------------------


def test_tsmc28_holds_the_published_fits() -> None:
    technology = load_technology("tsmc28")
    pe = technology.pe_area_um2
    assert technology.engine == 9
    assert (pe.slope, pe.intercept, pe.r2) == (1.694, 153.46, 0.998)  # Figure 3
    assert pe.calibrated == pytest.approx((pe_bops(4), pe_bops(32)), abs=0.05)
    single, dual = (load_technology("tsmc28", kind) for kind in ("single-port", "dual-port"))
    assert technology.sram_area_um2 == single.sram_area_um2
    for fit, published in (
        (single.sram_area_um2, (2.94, 3065.0, 0.986)),  # Figure 6a
        (dual.sram_area_um2, (4.16, 3535.0, 0.916)),  # Figure 6b
    ):
        assert (fit.slope, fit.intercept, fit.r2) == published


@pytest.mark.parametrize(
    ("precision", "pes"), [("float32", 9), ("fixed32", 60), ("fixed16", 220), ("fixed8", 683)]
)
def test_measured_pes_fill_1_mm2_as_in_table_2(precision: str, pes: int) -> None:
    assert round(1e6 / measured_pes()[precision]) == pes


@pytest.mark.parametrize(
    ("bits", "excess_percent"),  # of the fit over the measured area
    [
        (4, 7.4),  # 1.694 ×  244.53 + 153.46 =   567.7 against   528.5
        (8, -3.0),  # 1.694 ×  748.53 + 153.46 =  1421.5 against  1465.0
        (16, 1.0),  # 1.694 × 2620.53 + 153.46 =  4592.6 against  4545.5
        (32, 0.7),  # 1.694 × 9820.53 + 153.46 = 16789.4 against 16666.7
    ],
)
def test_fit_is_close_to_the_measured_pes(bits: int, excess_percent: float) -> None:
    measured = measured_pes()[f"fixed{bits}"]
    fitted = float(pe_area_um2(load_technology("tsmc28"), bits, bits))
    assert 100 * (fitted / measured - 1) == pytest.approx(excess_percent, abs=0.05)


def test_fixed4_pe_is_the_quadratic_of_figure_1() -> None:
    assert measured_pes()["fixed4"] == pytest.approx(12.39 * 4**2 + 86.07 * 4 - 14.02, abs=0.05)


@pytest.mark.parametrize(
    ("bits", "excess_percent"),  # of the fit linear in BOPS over the quadratic one
    [
        (2, 55.9),  # 1.694 × 100.53 + 153.46 =  323.8 against 12.39·4 + 86.07·2 − 14.02 =  207.7
        (4, 7.4),  # 567.7 against 528.5
        (8, -3.1),  # 1421.5 against 12.39·64 + 86.07·8 − 14.02 = 1467.5
    ],
)
def test_published_pe_fits_part_at_small_widths(bits: int, excess_percent: float) -> None:
    linear, quadratic = (
        float(pe_area_um2(load_technology(name), bits, bits))
        for name in ("tsmc28", "tsmc28-quadratic")
    )
    assert 100 * (linear / quadratic - 1) == pytest.approx(excess_percent, abs=0.05)


def test_quadratic_technology_holds_figure_1_and_the_same_srams() -> None:
    technology, linear = load_technology("tsmc28-quadratic"), load_technology("tsmc28")
    fit = technology.pe_area_um2
    assert isinstance(fit, QuadraticFit)
    assert (fit.quadratic, fit.linear, fit.constant, fit.r2) == (12.39, 86.07, -14.02, 0.9999877)
    assert (technology.engine, technology.sram) == (linear.engine, linear.sram)
    assert technology.sram_fits == linear.sram_fits


# --- memories -------------------------------------------------------------------------------


def test_memories_have_the_bandwidth_of_their_standard() -> None:
    found = {name: load_memory(name).bits_per_s / 1e9 for name in shipped("memories")}
    assert found == pytest.approx(GBIT_PER_S)
