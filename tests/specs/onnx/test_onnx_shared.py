"""Which layers use one stored tensor; the corpus has whole graphs of such (``shared.py``)."""

from __future__ import annotations

from pathlib import Path
from unittest.mock import Mock

from onnx_graphs import imported, model

from codesign.specs.onnx.graph.graph import Graph
from codesign.specs.onnx.products.loops import Loops
from codesign.specs.onnx.storage.layout import Draft, Place, new_part
from codesign.specs.onnx.storage.shared_weights import owners, partial_uses


def draft(number: int, loops: Loops) -> Draft:
    """A layer that multiplies by ``w``."""
    part = new_part(f"t{number}", 8)
    return Draft(f"l{number}", number, loops, Place((part,), 8), part, weight_value="w")


def test_parts_of_a_tensor_are_not_the_tensor() -> None:
    graph = Mock(spec=Graph, sources={}, known={})
    graph.size.return_value = 4 * 8
    whole, part, again, other = (draft(n, Loops(K=K, C=8)) for n, K in enumerate((4, 2, 4, 2)))
    drafts = [whole, part, again, other]
    assert owners(graph, drafts) == {again: whole}
    assert partial_uses(graph, drafts) == [drafts]
    assert partial_uses(graph, [whole, again]) == []
    assert partial_uses(graph, [part]) == []


def test_any_number_of_nodes_stands_before_a_constant(tmp_path: Path) -> None:
    count = 1500
    lines = ["c0 = Identity (w)", *(f"c{n} = Identity (c{n - 1})" for n in range(1, count))]
    lines += [f"a: h = MatMul (x, c{count - 1})", "b: y = MatMul (h, w)"]
    found = imported(tmp_path, model("\n".join(lines), {"x": (2, 70)}, {"w": (70, 70)}))
    assert found.network.weights == 70 * 70
    assert found.notes == ("weights of 'a' are used again, and count once: b",)


def test_no_two_draws_of_random_numbers_are_one_tensor(tmp_path: Path) -> None:
    lines = """
        r = RandomNormal <shape=[70, 70], seed=1.0> ()
        a: h = MatMul (x, r)
        s = RandomNormal <shape=[70, 70], seed=1.0> ()
        b: g = MatMul (h, s)
        c: y = MatMul (g, r)
    """
    found = imported(tmp_path, model(lines, {"x": (2, 70)}))
    assert found.network.weights == 2 * 70 * 70
