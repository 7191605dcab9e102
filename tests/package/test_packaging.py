"""The wheel: built, installed into a folder of its own, and used from elsewhere."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from sources import ROOT

PAGES = ROOT / "codesign" / "cli" / "help"

pytestmark = pytest.mark.slow


def run(words: Sequence[str | Path], **how: object) -> str:
    """The output of a Python program that must succeed."""
    done = subprocess.run(
        [sys.executable, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        **how,  # type: ignore[call-overload]
    )
    assert done.returncode == 0, done.stdout
    return str(done.stdout)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = ["-m", "pip", "--disable-pip-version-check", "wheel", "--no-deps"]
    run([*pip, "--wheel-dir", folder, ROOT])
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder the wheel is installed into, its dependencies left to the environment."""
    folder = tmp_path_factory.mktemp("installed")
    pip = ["-m", "pip", "--disable-pip-version-check", "install", "--no-deps", "--no-index"]
    run([*pip, "--target", folder, wheel])
    return folder


def elsewhere(installed: Path, folder: Path, program: str) -> list[str]:
    """What a program prints that runs outside the checkout on the installed package."""
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    return run(["-W", "error", "-c", program], cwd=folder, env=environment).split()


def test_contents(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    tops = {name.partition("/")[0] for name in names}
    assert tops == {"codesign", wheel.name.removesuffix("-py3-none-any.whl") + ".dist-info"}
    assert "codesign/py.typed" in names
    here = {
        f"codesign/{p.relative_to(ROOT / 'codesign')}" for p in (ROOT / "codesign").rglob("*.py")
    }
    here |= {f"codesign/{p.relative_to(ROOT / 'codesign')}" for p in PAGES.glob("*.md")}
    here |= {f"codesign/results/html/page.{x}" for x in ("css", "js")}
    here |= {"codesign/cli/explore/explore.js"}
    here |= {f"codesign/models/{p.relative_to(ROOT / 'models')}" for p in files_of(ROOT / "models")}
    assert {name for name in names if name.startswith("codesign/")} == here | {"codesign/py.typed"}


def files_of(folder: Path) -> list[Path]:
    """Every file in a folder."""
    return [path for path in folder.rglob("*") if path.is_file()]


def test_the_checkout_uses_its_own_models(tmp_path: Path) -> None:
    program = "from codesign.specs.load import models_folder; print(models_folder())"
    assert [Path(word) for word in elsewhere(ROOT, tmp_path, program)] == [ROOT / "models"]


def test_models_come_from_inside_the_package(installed: Path, tmp_path: Path) -> None:
    program = """
from pathlib import Path
import codesign
from codesign.specs.load import models_folder, shipped
print(Path(codesign.__file__).parent)
print(models_folder())
print(codesign.load_network("resnet18").macs)
for kind in ("networks", "technologies", "memories"):
    print(len(shipped(kind)))
"""
    package, models, macs, *counts = elsewhere(installed, tmp_path, program)
    assert Path(package) == installed / "codesign"
    assert Path(models) == installed / "codesign" / "models"
    assert macs == "1814073344"
    kinds = ("networks", "technologies", "memories")
    assert counts == [str(len(list((ROOT / "models" / kind).glob("*.toml")))) for kind in kinds]


def test_a_problem_is_solved_by_the_installed_package(installed: Path, tmp_path: Path) -> None:
    program = """
import codesign
choices = codesign.Choices(rows=(8,), cols=(8,), weight_bits=(8,), activation_bits=(8,))
network = codesign.load_network("alexnet")
design = codesign.solve(codesign.Problem(network=network, choices=choices))
design.save("design.json")
print(design.proof.status, codesign.Design.load("design.json") is not None)
"""
    assert elsewhere(installed, tmp_path, program) == ["optimal", "True"]
    assert [path.name for path in tmp_path.iterdir()] == ["design.json"]


def test_the_command_is_installed(installed: Path, tmp_path: Path) -> None:
    (points,) = installed.glob("*.dist-info/entry_points.txt")
    assert "codesign = codesign.__main__:main" in points.read_text("utf-8")
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    script = installed / "bin" / "codesign"
    shown = run([script, "--version"], cwd=tmp_path, env=environment)
    assert "0.1.0" in shown
