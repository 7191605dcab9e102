"""Networks exported by PyTorch: MACs and parameters as PyTorch itself counts them."""

from __future__ import annotations

import logging
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from onnx_graphs import story

from codesign.specs.network import Network
from codesign.specs.onnx import import_onnx

torch = pytest.importorskip("torch", reason="needs PyTorch: pip install 'codesign[torch]'")
pytest.importorskip("onnxscript", reason="needs onnxscript: pip install 'codesign[torch]'")

from torch.nn.attention import SDPBackend, sdpa_kernel  # noqa: E402
from torch.utils.flop_counter import FlopCounterMode  # noqa: E402
from torch_networks import NETWORKS, Encoder, Separable, Transformer, UNet  # noqa: E402

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore"),  # of the exporters
]
BATCH = 2
CASES = [(kind, new) for kind in NETWORKS for new in (False, True)]
NAMES = [f"{kind.__name__}-{'new' if new else 'old'}" for kind, new in CASES]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the files are that PyTorch exports, each once."""
    return tmp_path_factory.mktemp("exported")


def exported(kind: Any, new: bool, folder: Path) -> Path:
    """The file PyTorch's newer or older exporter writes, its batch left open."""
    path = folder / f"{kind.__name__}-{new}.onnx"
    if path.exists():
        return path
    how: dict[str, Any] = {"dynamic_axes": {"x": {0: "images"}}}
    if new:
        how = {"dynamic_shapes": {"x": {0: torch.export.Dim("images")}}}
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            sample = torch.zeros(BATCH, *kind.size)
            torch.onnx.export(
                kind().eval(), (sample,), path, dynamo=new, input_names=["x"], verbose=False, **how
            )
    finally:
        logging.disable(logging.NOTSET)
    return path


def counted_macs(kind: Any) -> int:
    """Half the floating-point operations PyTorch counts; attention by its plain formula."""
    model, counter = kind().eval(), FlopCounterMode(display=False)
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), counter:
            model(torch.zeros(BATCH, *kind.size))
    finally:
        torch.backends.mha.set_fastpath_enabled(True)
    return counter.get_total_flops() // 2


def comparable_macs(network: Network) -> int:
    """MACs as PyTorch counts them.

    Of a transposed convolution it counts one kernel of products for each element of the image,
    H·W in all, where the equivalent convolution has one for each result, P·Q.
    """
    return sum(
        layer.macs // (layer.P * layer.Q) * (layer.H * layer.W)
        if layer.input_dilation != 1
        else layer.macs
        for layer in network.layers
    )


@pytest.mark.parametrize(("kind", "new"), CASES, ids=NAMES)
def test_macs_and_parameters_are_those_of_pytorch(kind: Any, new: bool, folder: Path) -> None:
    found = import_onnx(exported(kind, new, folder), batch=BATCH)
    assert comparable_macs(found.network) == counted_macs(kind) > 0
    weights = sum(p.numel() for name, p in kind().named_parameters() if is_weight(name, p))
    assert found.network.weights == weights
    sizes = {name: array.size for name, array in found.weights.items()}
    assert sum(sizes.values()) == weights
    assert list(sizes) == list(found.network.weight_layers)


def is_weight(name: str, parameter: Any) -> bool:
    """Whether a layer multiplies by it: biases, norms, tokens and positions are added."""
    return parameter.dim() > 1 and name not in ("token", "position")


@pytest.mark.parametrize(("kind", "new"), CASES, ids=NAMES)
def test_the_batch_can_be_chosen_later(kind: Any, new: bool, folder: Path) -> None:
    path = exported(kind, new, folder)
    one, three = (import_onnx(path, batch=batch).network for batch in (1, 3))
    assert three.macs == 3 * one.macs
    assert three.tensors == one.batched(3).tensors
    assert import_onnx(path, dims={"images": 3}).network == three


def test_both_exporters_tell_the_same_story(folder: Path) -> None:
    for kind in NETWORKS:
        networks = [
            import_onnx(exported(kind, new, folder), batch=1).network for new in (False, True)
        ]
        old, new = map(numbered, networks)
        assert old == new


def numbered(network: Network) -> list[str]:
    """Its story, tensors and layers numbered in order instead of named."""
    numbers = {name: f"t{i}" for i, name in enumerate(network.tensors)}
    layers = tuple(
        replace(
            layer,
            name=f"l{i}",
            input=numbers[layer.input],
            output=numbers[layer.output],
            residuals=tuple(numbers[name] for name in layer.residuals),
            weight_tensor=layer.weight_tensor and numbers[layer.weight_tensor],
            parts={numbers[name]: part for name, part in layer.parts.items()},
        )
        for i, layer in enumerate(network.layers)
    )
    tensors = {numbers[name]: elements for name, elements in network.tensors.items()}
    return story(replace(network, layers=layers, tensors=tensors))


@pytest.mark.parametrize(("kind", "new"), [("LSTM", False), ("LSTM", True), ("GRU", False)])
def test_recurrent_modules_multiply_at_each_step(kind: str, new: bool, tmp_path: Path) -> None:
    steps, module = 3, getattr(torch.nn, kind)(5, 4, 2, bidirectional=True, batch_first=True)
    sample, path = torch.zeros(BATCH, steps, 5), tmp_path / "recurrent.onnx"
    torch.onnx.export(module.eval(), (sample,), path, dynamo=new, verbose=False)
    found = import_onnx(path).network
    weights = sum(p.numel() for name, p in module.named_parameters() if is_weight(name, p))
    assert (found.macs, found.weights) == (BATCH * steps * weights, weights)


def test_the_story_of_a_transformer(folder: Path) -> None:
    found = import_onnx(exported(Transformer, True, folder), batch=1).network
    assert numbered(found) == [
        "l0: t0 -> t1 and 32",  # patches beside the class token
        "l1: t1 -> t2",  # queries, keys and values in one
        "l2: t2[544] × t2[544] -> t3",
        "l3: t3 × t2[544] -> t4",
        "l4: t4 + t1 -> t5",
        "l5: t5 -> t6",
        "l6: t6 + t5 -> t7",  # of which only the class token is stored
        "l7: t7 -> t8",
    ]
    assert list(found.tensors.values()) == [3072, 544, 1632, 1156, 544, 544, 1360, 32, 10]


def test_attention_as_one_operator(folder: Path) -> None:
    """From opset 23 on, PyTorch may leave attention to ONNX, which defines it by plain nodes."""
    path = folder / "attention.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sample = torch.zeros(1, *Transformer.size)
        how = {"dynamo": True, "opset_version": 23, "input_names": ["x"], "verbose": False}
        torch.onnx.export(Transformer().eval(), (sample,), path, **how)
    one = import_onnx(path).network
    plain = import_onnx(exported(Transformer, True, folder), batch=1).network
    assert numbered(one) == (numbered(plain))
    assert one.macs == plain.macs


def test_the_story_of_a_unet(folder: Path) -> None:
    found = import_onnx(exported(UNet, True, folder), batch=1)
    network = found.network
    full, half = 8 * 32 * 48, 16 * 16 * 24
    assert numbered(network) == [
        f"l0: t0 -> t1[{full}]",
        f"~l1: t1[{full}] -> t2",
        f"l2: t2 -> t3[{half}]",
        f"~l3: t3[{half}] -> t4",
        "l4: t4 -> t5",
        f"l5: t5 -> t3[{half}]",
        "l6: t3 -> t6",
        f"l7: t6 -> t1[{full}]",
        "l8: t1 -> t7",
        "l9: t7 -> t8",
    ]
    assert (network.tensors["x"], [*network.tensors.values()][1]) == (3 * 32 * 48, 2 * full)


def test_the_story_of_a_gate(folder: Path) -> None:
    found = import_onnx(exported(Separable, True, folder), batch=1).network
    assert numbered(found) == [
        "l0: t0 -> t1",
        "l1: t1 -> t2",
        "~l2: t2 -> t3",
        "l3: t3 -> t4",
        "l4: t4 -> t5",
        "~l5: t2 + t5 -> t6",
        "l6: t6 -> t7",
        "l7: t7 -> t8",
        "l8: t8 -> t9",
    ]


def test_weights_are_those_of_the_model(tmp_path: Path) -> None:
    torch.manual_seed(1)
    path, model = tmp_path / "network.onnx", Encoder().eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sample = torch.zeros(1, *Encoder.size)
        torch.onnx.export(model, (sample,), path, dynamo=True, verbose=False)
    found = import_onnx(path).weights
    expected = [p for p in model.parameters() if p.dim() > 1]
    for array, parameter in zip(found.values(), expected, strict=True):
        assert array.shape == (*parameter.shape, 1, 1)
        assert (array[..., 0, 0] == parameter.detach().double().numpy()).all()
