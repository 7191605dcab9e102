"""ONNX models run by ONNX Runtime: what range each value has, and how far two models differ.

Needs the extra ``runtime``. Models run as they are written, without the runtime's own fusions: what
it makes of quantised operators in a hurry depends on the processor.
"""

from __future__ import annotations

import math
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

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


class Labelled(NamedTuple):
    """Inputs, and what is right of them.

    Attributes
    ----------
    runs : list of mappings of str to array
        By input.
    labels : dict of str to array of int, shape (rows,)
        By result: the entry along its last axis that ought to be the largest, row by row.
    """

    runs: list[Run]
    labels: dict[str, Array]


def runs_in(path: Path, model: ModelProto, shapes: Mapping[str, Sequence[int]]) -> list[Run]:
    """The runs in a file of NumPy arrays (.npz), one for each input, by its name.

    Each array has the input's shape; or one axis more in front: several runs; or several times as
    many images along the first axis.

    Raises
    ------
    SpecError
        Unreadable, or arrays that do not fit.
    """
    return _runs(path, _arrays(path), model, shapes)


def labelled_in(path: Path, model: ModelProto, shapes: Mapping[str, Sequence[int]]) -> Labelled:
    """The runs in a file as of `runs_in`, and ``labels`` of the one result, or of each by its name.

    Raises
    ------
    SpecError
        As of `runs_in`; no labels, or such as are no whole numbers.
    """
    arrays = _arrays(path)
    results = [x.name for x in model.graph.output]
    labels = {x: arrays.pop(x) for x in results if x in arrays and x not in shapes}
    if "labels" in arrays and "labels" not in shapes:
        if len(results) > 1:
            raise SpecError(f"{path}: 'labels': of which result? Name it one of {results}")
        labels[results[0]] = arrays.pop("labels")
    if not labels:
        raise SpecError(f"{path}: 'labels' is missing: the right entry of each result")
    for name, array in labels.items():
        if array.dtype.kind not in "iu":
            raise SpecError(f"{path}: labels of {name!r} are of {array.dtype}, not whole numbers")
    flat = {name: array.astype(np.int64).ravel() for name, array in labels.items()}
    return Labelled(_runs(path, arrays, model, shapes), flat)


def _arrays(path: Path) -> dict[str, Array]:
    """All arrays in a file."""
    try:
        file = np.load(path, allow_pickle=False)
        if isinstance(file, np.ndarray):
            raise SpecError(f"{path}: one array without a name; write it by numpy.savez")
        with file:
            return {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        why = reason(error) if isinstance(error, OSError) else _line(error)
        raise SpecError(f"{path}: cannot be read: {why}") from None


def _runs(
    path: Path,
    arrays: Mapping[str, Array],
    model: ModelProto,
    shapes: Mapping[str, Sequence[int]],
) -> list[Run]:
    """Arrays as runs."""
    odd = {*arrays} ^ {*shapes}
    if odd:
        name = min(odd)
        raise SpecError(f"{path}: {name!r} is {'missing' if name in shapes else 'no input'}")
    found: dict[str, Array] = {}
    kinds = _kinds(model)
    for name, shape in shapes.items():
        array, right = arrays[name], helper.tensor_dtype_to_np_dtype(kinds[name])
        same = shape and list(array.shape[1:]) == list(shape[1:])
        if same and len(array) and not len(array) % shape[0]:  # images one after the other
            array = array.reshape(-1, *shape)
        elif list(array.shape) == list(shape):
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
    model: ModelProto,
    quantised: ModelProto,
    runs: Sequence[Run],
    labels: Mapping[str, Array] | None = None,
) -> dict[str, dict[str, Any]]:
    """How far the results of a quantised model are from those of the model, by result.

    ``sqnr_db``: power of the results over that of the difference, None where there is none;
    ``same_largest``: share of the rows along the last axis whose largest entry is the same one;
    ``accuracy``: with labels, how many ``rows`` there are, and the share of them whose largest
    entry is the right one: ``float`` of the model, ``quantised``.

    Raises
    ------
    SpecError
        The models do not run, or labels are not of their results.
    """
    names = [x.name for x in model.graph.output]
    runners = session(model), session(quantised)
    power, noise = dict.fromkeys(names, 0.0), dict.fromkeys(names, 0.0)
    largest: dict[str, tuple[list[Array], list[Array]]] = {name: ([], []) for name in names}
    classes = dict.fromkeys(names, 0)
    for run in runs:
        for name, *both in zip(names, *(_run(x, names, run) for x in runners), strict=True):
            right, found = (np.asarray(x, dtype=np.float64) for x in both)
            power[name] += float((right**2).sum())
            noise[name] += float(((found - right) ** 2).sum())
            if right.ndim and right.shape[-1] > 1:
                classes[name] = right.shape[-1]
                for one, array in zip(largest[name], (right, found), strict=True):
                    one.append(array.argmax(axis=-1).ravel())
    told = {}
    for name in names:
        right, found = (np.concatenate(x) if x else np.zeros(0, int) for x in largest[name])
        given = None if labels is None else labels.get(name)
        told[name] = {
            "sqnr_db": 10 * math.log10(power[name] / noise[name])
            if noise[name] and power[name]
            else None,
            "same_largest": float((right == found).mean()) if right.size else None,
            "accuracy": None
            if given is None
            else _accuracy(name, given, (right, found), classes[name]),
        }
    return told


def _accuracy(
    name: str, labels: Array, largest: tuple[Array, Array], classes: int
) -> dict[str, float]:
    right, found = largest
    if len(labels) != len(right):
        raise SpecError(f"result {name!r}: {len(labels)} labels for {len(right)} rows")
    if labels.min() < 0 or labels.max() >= classes:
        odd = labels[(labels < 0) | (labels >= classes)][0]
        raise SpecError(f"result {name!r}: label {odd}; its entries are 0 to {classes - 1}")
    shares = {
        "float": float((right == labels).mean()),
        "quantised": float((found == labels).mean()),
    }
    return {"rows": len(labels), **shares}
