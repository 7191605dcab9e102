"""Tables and files of results in order, for fuzzing to damage."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

from command_line import TINY
from fused_designs import chain_design
from fuzzing import as_toml
from machine_questions import two_layers

import codesign
from codesign import Choices, Problem, certify, evaluate, load_accelerator, load_network
from codesign.tasks.assign import assign

BITS = (2, 4, 8)

SOURCES = ("weight:conv1", "weight:fc", "tensor:image", "tensor:a")

PES = "bw,ba,n,m,area_um2\n" + "".join(
    f"{b},{b},{n},{m},{1000 + 31.5 * b * b * n * m}\n" for b in BITS for n in (1, 4) for m in (1, 3)
)

ONES = "bw,ba,n,m,area_um2\n" + "".join(f"{b},{b},1,1,{12.4 * b * b + 86}\n" for b in range(2, 17))

SRAMS = "bits,area_um2\n" + "".join(f"{2**n},{3 * 2**n + 3065.0}\n" for n in range(10, 20))

LOSSES = "tensor,bits,loss\n" + "".join(f"{s},{b},{4.0**-b}\n" for s in SOURCES for b in BITS)

TIMES = "layer,weight_bits,activation_bits,latency_s\n" + "".join(
    f"{name},{bw},{ba},{bw * ba * 1e-6}\n" for name in ("conv1", "fc") for bw in BITS for ba in BITS
)

TILES = """\
layer,tile_g,tile_k,tile_c,tile_p,tile_images,order,cycles
conv1,1,8,4,3,1,kcp,36
fc,1,5,144,1,1,kcp,24
"""

LOSSES_TOML = as_toml({s: {str(b): 4.0**-b for b in BITS} for s in SOURCES})


@cache
def tiny_network() -> codesign.Network:
    """The network of `TINY`."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tiny.toml"
        path.write_text(TINY)
        return load_network(path)


@cache
def texts() -> dict[str, str]:
    """A file of each kind."""
    network = tiny_network()
    choices = Choices(rows=(1, 2), cols=(1, 2), weight_bits=(4, 8), activation_bits=(4, 8))
    problem = Problem(
        network=network, choices=choices, quality="uniform:6", budgets={"area_mm2": 0.1}
    )
    design = codesign.solve(problem)
    times = {
        "conv1": {(b, a): b * a * 1e-6 for b in (4, 8) for a in (4, 8)},
        "fc": {(b, a): b * a * 1e-6 for b in (4, 8) for a in (4, 8)},
    }
    small = Problem(network=network, choices=choices, objective="noise", budgets={"bops": 1e9})
    machine = codesign.solve(two_layers(fill_cycles=True, cycle_factors={"3x3": "4/9"}))
    own = codesign.solve(two_layers(reconfigurable=True, precision="widening"))
    found = {
        "design": design.to_dict(),
        "evaluation": evaluate(network, load_accelerator("eyeriss"), 8, on_chip="none").to_dict(),
        "residents": evaluate(network, load_accelerator("eyeriss"), 8, on_chip="tensors").to_dict(),
        "fused": chain_design().to_dict(),
        "machine": machine.to_dict(),
        "own mappings": own.to_dict(),
        "assignment": assign(small, times).to_dict(),
        "comparison": codesign.compare(design, evaluate(network, design.accelerator, 4)).to_dict(),
        "certificate": certify(design).to_dict(),
        "certificate of machine": certify(machine).to_dict(),
    }
    return {kind: json.dumps(content) for kind, content in found.items()}
