"""Print the lowest version that pyproject.toml admits of each dependency, one a line for pip.

python lowest.py EXTRA…    those of the project itself and of its extras
"""

import re
import sys
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
REQUIREMENT = re.compile(r"([A-Za-z0-9._-]+)(?:\[([a-z,]+)\])?(?:(>=|==)([0-9.]+))?")


def lowest(requirements: Iterable[str], extras: dict[str, list[str]]) -> Iterator[str]:
    """``name==version`` of each requirement; of those of the project itself, its extras'."""
    for requirement in requirements:
        match = REQUIREMENT.fullmatch(requirement)
        if match is None:
            raise SystemExit(f"pyproject.toml: {requirement!r}: write name>=version")
        name, own, sign, version = match.groups()
        if own is not None:
            yield from (line for extra in own.split(",") for line in lowest(extras[extra], extras))
        elif sign is None:
            raise SystemExit(f"pyproject.toml: {name} has no lowest version")
        else:
            yield f"{name}=={version}"


def main(names: list[str]) -> None:
    """Print them."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    asked = [*project["dependencies"], *(line for name in names for line in extras[name])]
    print(*lowest(asked, extras), sep="\n")


if __name__ == "__main__":
    main(sys.argv[1:])
