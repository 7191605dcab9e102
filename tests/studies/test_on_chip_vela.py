"""Resident tensors beside Arm's compiler Vela: graphs, choices, and what the README tells."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from itertools import chain, combinations
from types import ModuleType

import pandas as pd
import pytest
from random_networks import random_network
from seeds import mostly_long
from sources import ROOT
from study_modules import imported
from told_tables import check_told, rows_of

from codesign import Network, load_network

STUDY = ROOT / "studies" / "on_chip"
README = (STUDY / "README.md").read_text("utf-8")
PEAKS = pd.read_csv(STUDY / "expected" / "vela_peaks.csv")
TRAFFIC = pd.read_csv(STUDY / "expected" / "vela_traffic.csv")
FEATURES = pd.read_csv(STUDY / "expected" / "vela_features.csv")
UNTOLD = ["vela_kept", "best_kept", "best_packed_kib"]
NAMES = ("allocation", "separate")
MISSING = [x for x in ("ethosu", "flatbuffers", "tflite_micro") if find_spec(x) is None]
needs_vela = pytest.mark.skipif(MISSING != [], reason=f"not installed: {MISSING}")


@pytest.fixture(scope="module")
def parts() -> Iterator[dict[str, ModuleType]]:
    """The study's modules that do without Vela."""
    with imported(STUDY, NAMES) as modules:
        yield modules


@pytest.fixture(scope="module")
def vela() -> Iterator[dict[str, ModuleType]]:
    """Those that need it, and what they use."""
    names = ("vela", "vela_compiler", "to_tflite", "micro_planner", *NAMES)
    with imported(STUDY, names) as modules:
        yield modules


# --- which tensors to keep ----------------------------------------------------------------------


@pytest.mark.parametrize("seed", mostly_long(range(100), 30))
def test_best_kept_is_the_best_of_all_subsets(seed: int, parts: dict[str, ModuleType]) -> None:
    allocation, rng = parts["allocation"], random.Random(seed)
    network = random_network(rng, rng.randint(2, 10))
    sizes = {name: rng.randint(8, 40) for name in network.tensors}
    capacity = rng.randint(8, 100)
    names = list(network.lifetimes)
    subsets = chain.from_iterable(combinations(names, n) for n in range(len(names) + 1))
    fitting = [
        kept
        for kept in subsets
        if max(allocation.live_bytes(network, sizes, kept), default=0) <= capacity
    ]
    least = min(allocation.moved_bytes(network, sizes, kept) for kept in fitting)
    kept = allocation.best_kept(network, sizes, capacity)
    assert allocation.moved_bytes(network, sizes, kept) == least
    assert max(allocation.live_bytes(network, sizes, kept)) <= capacity


def least_moved(network: Network, sizes: Mapping[str, int], capacity: int) -> int:
    """The bytes that the best choice moves, by a programme over the tensors that are alive."""
    saved = {
        name: size * sum([*x.reads, x.output].count(name) for x in network.layers)
        for name, size in sizes.items()
    }
    best: dict[frozenset[str], int] = {frozenset(): 0}
    for number in range(len(network.layers)):
        for name, (first, _) in network.lifetimes.items():
            if first == number:
                best |= {alive | {name}: value + saved[name] for alive, value in best.items()}
        going: dict[frozenset[str], int] = {}
        for alive, value in best.items():
            if sum(sizes[name] for name in alive) <= capacity:
                rest = frozenset(x for x in alive if network.lifetimes[x][1] > number)
                going[rest] = max(going.get(rest, 0), value)
        best = going
    return sum(saved.values()) - best[frozenset()]


@pytest.mark.parametrize("name", PEAKS["network"])
def test_best_kept_of_shipped_networks(name: str, parts: dict[str, ModuleType]) -> None:
    allocation = parts["allocation"]
    for network in (load_network(name), parts["separate"].separated(load_network(name))):
        sizes = network.tensors
        for capacity in (60_000, 250_000, 1_000_000, 1_500_000):
            kept = allocation.best_kept(network, sizes, capacity)
            moved = allocation.moved_bytes(network, sizes, kept)
            assert moved == least_moved(network, sizes, capacity)


def test_packing_finds_room_and_never_less_than_what_is_alive(
    parts: dict[str, ModuleType],
) -> None:
    allocation = parts["allocation"]
    network = load_network("resnet18")
    sizes, kept = dict(network.tensors), frozenset(network.lifetimes)
    assert allocation.packed_bytes(network, sizes, frozenset()) == 0
    # Three tensors of layer1 at a time, 64 × 56 × 56 each.
    assert max(allocation.live_bytes(network, sizes, kept)) == 3 * 200704
    assert allocation.packed_bytes(network, sizes, kept) == 3 * 200704
    alone = frozenset({"conv1.out"})
    assert allocation.packed_bytes(network, sizes, alone) == 200704


# --- graphs -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PEAKS["network"])
def test_separated_networks_compute_the_same(name: str, parts: dict[str, ModuleType]) -> None:
    network = load_network(name)
    graph = parts["separate"].separated(network)
    assert (graph.macs, graph.weights) == (network.macs, network.weights)
    assert graph.outputs == network.outputs
    assert all(not layer.residuals for layer in graph.layers if not layer.moves)
    assert all(graph.tensors[x.output] == x.computed_outputs for x in graph.layers)
    fused = sum(len(x.residuals) for x in network.layers)
    fused += sum(network.tensors[x.output] < x.computed_outputs for x in network.layers)
    assert len(graph.layers) == len(network.layers) + fused


def test_what_cannot_be_separated_is_refused(parts: dict[str, ModuleType]) -> None:
    with pytest.raises(ValueError, match=r"conv_proj.*whole and with one residual"):
        parts["separate"].separated(load_network("vit_b_16"))
    with pytest.raises(ValueError, match=r"conv1.*one image"):
        parts["separate"].separated(load_network("resnet18").batched(2))


@needs_vela
def test_padding_that_tflite_does_not_know_is_refused(vela: dict[str, ModuleType]) -> None:
    graph = vela["separate"].separated(load_network("alexnet"))
    with pytest.raises(ValueError, match=r"features\.0.*neither as SAME nor as VALID"):
        vela["to_tflite"].to_tflite(graph)


@needs_vela
@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet18", "mobilenetv2"])
def test_vela_finds_our_weights_macs_and_tensors(name: str, vela: dict[str, ModuleType]) -> None:
    network = load_network(name)
    graph = vela["separate"].separated(network)
    file = vela["to_tflite"].to_tflite(graph)
    told = vela["vela_compiler"].compiled(file, 1 << 30)
    assert told.weights == network.weights
    assert told.kept == set(graph.lifetimes)
    assert told.macs.keys() == {layer.output for layer in graph.layers}
    for layer in graph.layers:
        assert layer.moves or told.macs[layer.output] == layer.macs, layer.name
    live = vela["allocation"].live_bytes(graph, graph.tensors, graph.lifetimes)
    assert vela["micro_planner"].arena_bytes(file) == max(live)


@needs_vela
def test_files_that_are_no_graphs_are_refused(vela: dict[str, ModuleType]) -> None:
    with pytest.raises(RuntimeError, match="planner ended"):
        vela["micro_planner"].arena_bytes(b"no graph")
    with pytest.raises(RuntimeError, match="Vela ended"):
        vela["vela_compiler"].compiled(b"no graph", 1 << 20)


@needs_vela
@pytest.mark.slow
def test_tables_are_those_committed(vela: dict[str, ModuleType]) -> None:
    found = vela["vela"].tables(["mobilenetv2"], shares=[4], small=[])
    peaks = PEAKS.query("network == 'mobilenetv2'")
    traffic = TRAFFIC.query("network == 'mobilenetv2'").iloc[1:2]
    for table, rows in ((found["vela_peaks"], peaks), (found["vela_traffic"], traffic)):
        rows = rows.reset_index(drop=True)
        pd.testing.assert_frame_equal(table, rows, rtol=1e-4, check_dtype=False)


# --- what the tables say ------------------------------------------------------------------------


def test_both_count_the_same_sram_in_every_operator() -> None:
    assert (PEAKS["same_bricks"] == PEAKS["operators"]).all()
    assert (PEAKS["vela_kib"] == PEAKS["bricks_kib"]).all()
    # The planner pads nothing, and places input and result too: they are not alive at the peak.
    assert (PEAKS["planner_kib"] == PEAKS["graph_kib"]).all()
    others = PEAKS[PEAKS["network"] != "mobilenetv2"]
    assert (others["same_graph"] == others["operators"]).all()
    assert f"in all {PEAKS['operators'].sum()} operators" in " ".join(README.split())


def test_vela_never_keeps_better_and_the_best_finds_addresses() -> None:
    assert (TRAFFIC["vela_per_best"] >= 1).all()
    assert (TRAFFIC["best_packed_kib"] <= TRAFFIC["sram_kib"]).all()
    worst, reread = TRAFFIC["vela_per_best"].max(), TRAFFIC["told_mb"] / TRAFFIC["vela_mb"]
    words = " ".join(README.split())
    assert f"1.00 to {worst:.2f} times" in words
    assert f"{reread.min():.1f} to {reread.max():.1f} times our count" in words


def test_what_vela_does_beyond_moves_less_in_all() -> None:
    plain = TRAFFIC["told_mb"] + TRAFFIC["told_weights_mb"]
    assert (TRAFFIC["default_mb"] + TRAFFIC["default_weights_mb"] < plain).all()


@pytest.mark.parametrize("name", PEAKS["network"])
def test_our_columns_follow_without_vela(name: str, parts: dict[str, ModuleType]) -> None:
    allocation, network = parts["allocation"], load_network(name)
    graph = parts["separate"].separated(network)
    (peak,) = PEAKS[PEAKS["network"] == name].to_dict("records")
    for described, column in ((network, "fused_kib"), (graph, "graph_kib")):
        live = allocation.live_bytes(described, described.tensors, described.lifetimes)
        assert max(live) / 1024 == pytest.approx(peak[column], rel=1e-4)
    for row in TRAFFIC[TRAFFIC["network"] == name].to_dict("records"):
        sram_bytes = int(row["sram_kib"] * 1024)
        kept = allocation.best_kept(network, network.tensors, sram_bytes)
        moved = allocation.moved_bytes(network, network.tensors, kept)
        assert moved / 1e6 == pytest.approx(row["fused_best_mb"], rel=1e-4)
        layers = allocation.evaluated(network, sram_bytes).layer_designs
        weights = sum(layer.dram_bits.weights for layer in layers) / 8e6
        total = sum(layer.dram_bits.total for layer in layers) / 8e6
        assert weights == pytest.approx(row["tiled_weights_mb"], rel=1e-4)
        assert total - weights == pytest.approx(row["tiled_mb"], rel=1e-4)


def test_tiles_read_few_weights_again() -> None:
    weights = {name: load_network(name).weights / 1e6 for name in PEAKS["network"]}
    again = TRAFFIC["tiled_weights_mb"] / TRAFFIC["network"].map(weights)
    assert again.min() > 1 - 1e-4
    assert f"read at most {again.max():.2f} times what there is" in README


def test_order_matters(parts: dict[str, ModuleType]) -> None:
    graph = parts["separate"].separated(load_network("resnet50"))
    kept = parts["allocation"].best_kept(graph, graph.tensors, 1176 * 1024)
    declared = parts["allocation"].moved_bytes(graph, graph.tensors, kept) / 1e6
    (other,) = TRAFFIC.query("network == 'resnet50' and sram_kib == 1176")["best_mb"]
    assert f"moves {declared:.2f} in place of {other:.2f}" in README


def test_features_do_what_the_readme_tells() -> None:
    rows = FEATURES.set_index(["network", "features"])
    (described,) = PEAKS.query("network == 'resnet50'")["fused_kib"]
    for words in ("chains", "in place"):
        assert rows.loc[("resnet50", words), "ample_kib"] == described
    (tiled,) = TRAFFIC.query("network == 'mobilenetv2' and sram_kib == 367.5").to_dict("records")
    cascades = rows.loc[("mobilenetv2", "cascades, buffered weights"), "told_total_mb"]
    ours = tiled["tiled_mb"] + tiled["tiled_weights_mb"]
    assert f"moves {cascades:.1f} for `mobilenetv2` with both" in README
    assert f"resident tensors with tiles {ours:.1f}." in README
    tiles = TRAFFIC["tiled_mb"] + TRAFFIC["tiled_weights_mb"]
    more = tiles > TRAFFIC["default_mb"] + TRAFFIC["default_weights_mb"]
    assert set(TRAFFIC[more]["network"]) == {"mobilenetv2"}
    assert "In two lines of `mobilenetv2` they move more" in " ".join(README.split())
    assert more.sum() == 2


def test_readme_tells_the_tables() -> None:
    check_told(rows_of(README, "network | as described"), PEAKS)
    check_told(rows_of(README, "network | SRAM KiB"), TRAFFIC.drop(columns=UNTOLD))
    check_told(rows_of(README, "network | features"), FEATURES)


@needs_vela
@pytest.mark.long
def test_all_tables_are_those_committed(vela: dict[str, ModuleType]) -> None:
    found = vela["vela"].tables()
    expected = {"vela_peaks": PEAKS, "vela_traffic": TRAFFIC, "vela_features": FEATURES}
    for name, table in expected.items():
        pd.testing.assert_frame_equal(found[name], table, rtol=1e-4, check_dtype=False)
