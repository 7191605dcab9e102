"""Commands on technologies: scale."""

from __future__ import annotations

from typing import Any

import click

from codesign.cli import inputs
from codesign.cli.options import Group, completed, file, flag, option
from codesign.cli.terminal import PROVEN, hand_over
from codesign.cli.views import description_view
from codesign.problem.readers import Number
from codesign.problem.words import name_or_path


@click.group(cls=Group)
def technology() -> None:
    """Make technologies of others.

    \b
    codesign technology scale tsmc28 --node 16 --out t16.toml
    """


@technology.command(
    params=[
        click.Argument(["technology"], shell_complete=completed(["technologies"], [".toml"])),
        option("--node NM", "The node wanted, 7 to 180 nm.", Number(1, 1000), required=True),
        option("--name NAME", "Name of the new technology.", shown="TECHNOLOGY-scaled-16nm"),
        file("--out", "Write the technology (TOML) for solve."),
        flag("--json", "Print the technology (JSON) and nothing else."),
    ]
)
def scale(**given: Any) -> int:
    """Scale areas and energies of TECHNOLOGY to another node of CMOS, by published factors.

    TECHNOLOGY is a shipped name or a TOML file that tells its node_nm. The factors are those of
    Stillmaker and Baas 2017 (180 to 7 nm), between their nodes interpolated on a power law.

    They describe logic: SRAM cells have shrunk less below 28 nm, so what is scaled has too little
    SRAM area rather than too much. They say nothing of leakage: static power is left out. Every
    result of the technology says that it is scaled. The clock stays yours.
    """
    from codesign.files import write_atomically
    from codesign.specs.load import load_technology
    from codesign.specs.technology import Technology
    from codesign.specs.write_technology import to_toml

    inputs.check_files(given)
    inputs.check_toml(given)
    made = load_technology(name_or_path(given["technology"])).scaled(given["node"], given["name"])
    assert isinstance(made, Technology)  # what does not scale is refused
    text = to_toml(made, made.scaling_note)
    hand_over(description_view(made), given, out=lambda path: write_atomically(path, text))
    return PROVEN
