"""ONNX models run by ONNX Runtime: what range each value has, and how far two models differ.

Needs the extra ``runtime``. Models run as they are written, without the runtime's own fusions: what
it makes of quantised operators in a hurry depends on the processor.
"""

from __future__ import annotations

import math
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import ModelProto, TensorProto, helper

from codesign.errors import SpecError
from codesign.files import reason

Array = npt.NDArray[Any]
Run = dict[str, Array]  # by input
RUNS = 4  # of random inputs
SEED = 0
FLOATS: dict[int, Any] = {TensorProto.FLOAT: np.float32, TensorProto.DOUBLE: np.float64}
MISSING = "ONNX Runtime is missing; pip install 'codesign[runtime]'"


def session(model: ModelProto) -> Any:
    """A session of ONNX Runtime on a processor.

    Raises
    ------
    SpecError
        It is not installed, or does not run the model.
    """
    try:
        import onnxruntime
    except ImportError:
        raise SpecError(MISSING) from None
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    try:
        return onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:
        raise SpecError(f"ONNX Runtime does not take the model: {_line(error)}") from None


def _line(error: Exception) -> str:
    return (str(error).splitlines() or ["unknown"])[0][:300]


def shapes_of(
    model: ModelProto, batch: int | None, dims: Mapping[str, int]
) -> dict[str, list[int]]:
    """The shape of each input that is fed in, symbolic dimensions as given.

    Raises
    ------
    SpecError
        One is not given.
    """
    constants = {x.name for x in model.graph.initializer}
    found = {}
    for each in model.graph.input:
        if each.name in constants:
            continue
        shape = []
        for axis, dim in enumerate(each.type.tensor_type.shape.dim):
            size = dim.dim_value if dim.HasField("dim_value") else None
            if size is None:
                size = dims.get(dim.dim_param, dims.get(f"{each.name}.{axis}"))
            if size is None and axis == 0:
                size = batch
            if size is None:
                raise SpecError(
                    f"--dim {dim.dim_param or f'{each.name}.{axis}'}: its size is needed"
                )
            shape.append(size)
        found[each.name] = shape
    return found


def random_runs(
    model: ModelProto, shapes: Mapping[str, Sequence[int]], given: Mapping[str, Any]
) -> list[Run]:
    """A few runs of normally distributed numbers, always the same, and of values that are given.

    Raises
    ------
    SpecError
        An input is of something else than floating point.
    """
    rng, kinds = np.random.default_rng(SEED), _kinds(model)
    for name in shapes:
        if kinds[name] not in FLOATS and name not in given:
            raise SpecError(f"input {name!r} is of no floating point; give --calibrate FILE.npz")

    def drawn(name: str) -> Array:
        if name in given:
            kind = helper.tensor_dtype_to_np_dtype(kinds[name])
            return np.asarray(given[name], dtype=kind).reshape(shapes[name])
        return np.asarray(rng.standard_normal(shapes[name]), dtype=FLOATS[kinds[name]])

    return [{name: drawn(name) for name in shapes} for _ in range(RUNS)]


def _kinds(model: ModelProto) -> dict[str, int]:
    return {x.name: x.type.tensor_type.elem_type for x in model.graph.input}


def runs_in(path: Path, model: ModelProto, shapes: Mapping[str, Sequence[int]]) -> list[Run]:
    """The runs in a file of NumPy arrays (.npz), one for each input, by its name.

    Each array has the input's shape, or one axis more in front: several runs.

    Raises
    ------
    SpecError
        Unreadable, or arrays that do not fit.
    """
    try:
        file = np.load(path, allow_pickle=False)
        if isinstance(file, np.ndarray):
            raise SpecError(f"{path}: one array without a name; write it by numpy.savez")
        with file:
            arrays = {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        why = reason(error) if isinstance(error, OSError) else _line(error)
        raise SpecError(f"{path}: cannot be read: {why}") from None
    odd = {*arrays} ^ {*shapes}
    if odd:
        name = min(odd)
        raise SpecError(f"{path}: {name!r} is {'missing' if name in shapes else 'no input'}")
    found: dict[str, Array] = {}
    kinds = _kinds(model)
    for name, shape in shapes.items():
        array, right = arrays[name], helper.tensor_dtype_to_np_dtype(kinds[name])
        if list(array.shape) == list(shape):
            array = array[None]
        if list(array.shape[1:]) != list(shape) or not len(array):
            raise SpecError(
                f"{path}: {name!r} is {array.shape}; wanted is {tuple(shape)}, or runs of it"
            )
        if array.dtype.kind not in "fiub" or (array.dtype.kind == "f") != (right.kind == "f"):
            raise SpecError(f"{path}: {name!r} is of {array.dtype}; wanted is {right}")
        if not np.isfinite(array).all():
            raise SpecError(f"{path}: {name!r}: not all are finite numbers")
        found[name] = array.astype(right)
    counts = {len(x) for x in found.values()}
    if len(counts) > 1:
        raise SpecError(f"{path}: as many runs of each input are wanted, not {sorted(counts)}")
    return [{name: x[n] for name, x in found.items()} for n in range(counts.pop())]


def ranges_of(
    model: ModelProto, values: Iterable[str], runs: Sequence[Run]
) -> dict[str, tuple[float, float]]:
    """Least and greatest number of each value in all runs."""
    watched = ModelProto()
    watched.CopyFrom(model)
    there = {x.name for x in model.graph.output}
    values = [*values]
    made = [x for x in values if x not in runs[0] and x not in there]
    watched.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in made)
    runner = session(watched)
    found: dict[str, tuple[float, float]] = {}
    for run in runs:
        wanted = [x for x in values if x not in run]
        results = dict(zip(wanted, _run(runner, wanted, run), strict=True)) if wanted else {}
        for name in values:
            array = run.get(name, results.get(name))
            assert array is not None
            low, high = found.get(name, (math.inf, -math.inf))
            found[name] = min(low, float(array.min())), max(high, float(array.max()))
    for name, ends in found.items():
        if not all(map(math.isfinite, ends)):
            raise SpecError(f"value {name!r} is not finite on the inputs given")
    return found


def _run(runner: Any, wanted: Sequence[str], run: Run) -> list[Array]:
    try:
        return list(runner.run([*wanted], run))
    except Exception as error:
        raise SpecError(f"ONNX Runtime does not run the model: {_line(error)}") from None


def agreement(
    model: ModelProto, quantised: ModelProto, runs: Sequence[Run]
) -> dict[str, dict[str, float | None]]:
    """How far the results of a quantised model are from those of the model, by result.

    ``sqnr_db``: power of the results over that of the difference, None where there is none;
    ``same_largest``: share of the rows along the last axis whose largest entry is the same one.
    """
    names = [x.name for x in model.graph.output]
    runners = session(model), session(quantised)
    power, noise = dict.fromkeys(names, 0.0), dict.fromkeys(names, 0.0)
    same, rows = dict.fromkeys(names, 0), dict.fromkeys(names, 0)
    for run in runs:
        for name, *both in zip(names, *(_run(x, names, run) for x in runners), strict=True):
            right, found = (np.asarray(x, dtype=np.float64) for x in both)
            power[name] += float((right**2).sum())
            noise[name] += float(((found - right) ** 2).sum())
            if right.ndim and right.shape[-1] > 1:
                equal = right.argmax(axis=-1) == found.argmax(axis=-1)
                same[name] += int(equal.sum())
                rows[name] += equal.size
    return {
        name: {
            "sqnr_db": 10 * math.log10(power[name] / noise[name])
            if noise[name] and power[name]
            else None,
            "same_largest": same[name] / rows[name] if rows[name] else None,
        }
        for name in names
    }
