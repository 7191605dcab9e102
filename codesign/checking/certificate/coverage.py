"""Which hardware options a certificate has argued for, and with how much SRAM."""

from __future__ import annotations

from collections.abc import Mapping

from codesign.checking.certificate.option_groups import OptionGroup
from codesign.checking.problem import Choices, Option

Range = tuple[int, int]  # SRAM bits, from and to


class Coverage:
    """Designs of a problem that no argument is known for yet.

    Parameters
    ----------
    capacity : mapping of Option to int
        The most SRAM of each option; what is left out has no design.
    """

    def __init__(self, choices: Choices, capacity: Mapping[Option, int]) -> None:
        self.choices, self.capacity = choices, capacity
        self._open: dict[Option, list[Range]] = {option: [] for option in capacity}

    def lacks(self, option: Option) -> bool:
        """Whether not all designs of an option were argued for at once."""
        return option in self._open

    def add(self, group: OptionGroup) -> None:
        """Note that a group is argued for."""
        for option in group.options:
            if group.sram_bits is None:
                self._open.pop(option, None)
            elif option in self._open:
                self._open[option].append(group.sram_bits)

    def trust(self, option: Option) -> None:
        """Leave an option to somebody's word."""
        self._open.pop(option, None)

    def left(self) -> dict[Option, Range | None]:
        """Options that lack an argument; of those with some, the first SRAM that has none."""
        found: dict[Option, Range | None] = {}
        for option, ranges in self._open.items():
            gap = self._gap(self.capacity[option], ranges)
            if gap is not None:
                found[option] = gap if ranges else None
        return found

    def _gap(self, most: int, ranges: list[Range]) -> Range | None:
        """The first SRAM on offer, of at most so much, that no range holds."""
        start = self.choices.least_sram
        for low, high in [*sorted(ranges), (most + 1, most + 1)]:
            end = min(low - 1, most)
            if end >= start and self.choices.most_sram(end) >= start:
                return start, end
            start = max(start, high + 1)
        return None
