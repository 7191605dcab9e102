"""How tables and lines fit a terminal, a pipe or a notebook.

Every function returns text or rich tables; nothing here prints. Names that come from files are
shown literally: no markup, no control characters.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from io import StringIO
from shutil import get_terminal_size

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console, ConsoleDimensions, RenderableType
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from codesign.errors import printable
from codesign.units import BITS_PER_GBIT, BITS_PER_KBIT, BITS_PER_MBIT

WIDE = 10_000  # columns of a file or a pipe: lines of text are never wrapped or cut
GAP = 2  # spaces between two columns of a table
MOST_OF_A_NAME, LEAST_OF_A_NAME = 40, 16  # characters of a name in a table, unless it needs more
MOST_OF_WORDS, LEAST_OF_WORDS = 60, 20  # characters in a line of a column of words
MOST_OF_A_WORD = 24  # characters of a single word in one, beyond which it is broken


class Sheet(Table):
    """A table that fits a width without losing a figure; made by `table`.

    Long names are cut in the middle, columns of words fold, and what is still too wide goes into
    further tables below, each beginning with the first column.
    """

    def __init__(self) -> None:
        super().__init__(
            box=SIMPLE_HEAD,
            show_edge=False,
            pad_edge=False,
            padding=(0, 1, 0, 0),
            header_style="bold",
        )
        self.names = set[int]()  # indices of the columns that hold names

    def fitted(self, width: int) -> list[Table]:
        """This table as one or several, none wider than ``width`` where that can be."""
        sizes = range(LEAST_OF_A_NAME, MOST_OF_A_NAME + 1)
        best = self._cost(width, LEAST_OF_A_NAME)
        fit = bisect(sizes, False, key=lambda size: self._cost(width, size) != best)
        texts, widths = self._cut(width, sizes[fit - 1])  # the longest names that cost nothing
        return [self._part(block, texts, widths, width) for block in self._blocks(width, widths)]

    @property
    def _folding(self) -> list[int]:
        """Indices of the columns of words."""
        every = enumerate(self.columns)
        return [i for i, column in every if not column.no_wrap and i not in self.names]

    def _cost(self, width: int, most: int) -> tuple[int, int]:
        """How much too wide with names of at most so many characters, in how many tables."""
        _, widths = self._cut(width, most)
        blocks = self._blocks(width, widths)
        return max(0, *(_taken(block, widths) - width for block in blocks)), len(blocks)

    def _cut(self, width: int, most: int) -> tuple[list[list[RenderableType]], list[int]]:
        """Cells by column, names of at most so many characters, and the width of each column."""
        texts = [[*column.cells] for column in self.columns]
        for index in self.names:
            texts[index] = [*elided([str(cell) for cell in texts[index]], most)]
        widths = [
            max(_breadth(text) for text in (column.header, *cells))
            for column, cells in zip(self.columns, texts, strict=True)
        ]
        for index in self._folding:
            widths[index] = min(widths[index], MOST_OF_WORDS)
        for index in sorted(self._folding, key=lambda index: -widths[index]):
            excess = max(0, _taken(range(len(widths)), widths) - width)
            words = [len(word) for cell in texts[index] for word in str(cell).split()]
            least = min(max([LEAST_OF_WORDS, *words]), MOST_OF_A_WORD)
            widths[index] = max(min(least, widths[index]), widths[index] - excess)
        return texts, widths

    def _blocks(self, width: int, widths: Sequence[int]) -> list[list[int]]:
        """Which columns stand side by side. One without a heading, as of units, stays where it is.

        Where several tables are needed, each begins with the first column.
        """
        tied: list[list[int]] = []
        for index, column in enumerate(self.columns):
            if tied and not str(column.header):
                tied[-1].append(index)
            else:
                tied.append([index])
        key, *others = tied or [[]]
        blocks = [[*key]]
        for group in others:
            wider = [*blocks[-1], *group]
            if _taken(wider, widths) <= width or blocks[-1] == key:
                blocks[-1] = wider
            else:
                blocks.append([*key, *group])
        return blocks

    def _part(
        self,
        block: Sequence[int],
        texts: Sequence[Sequence[RenderableType]],
        widths: Sequence[int],
        width: int,
    ) -> Table:
        """The columns of a block; those of words fold no more than the others ask for."""
        widths, made = [*widths], Sheet()
        made.show_header = self.show_header
        for index in (index for index in self._folding if index in block):
            room = widths[index] + max(0, width - _taken(block, widths))
            whole = max(map(_breadth, (self.columns[index].header, *self.columns[index].cells)))
            widths[index] = max(widths[index], min(whole, room, MOST_OF_WORDS))
        for index in block:
            column = self.columns[index]
            made.add_column(
                column.header,
                justify=column.justify,
                no_wrap=column.no_wrap or index in self.names,
                overflow="fold",
                min_width=widths[index],  # else rich takes a space for a fold
                max_width=widths[index],
            )
        for cells in zip(*(texts[index] for index in block), strict=True):
            made.add_row(*cells)
        return made


def _taken(block: Sequence[int], widths: Sequence[int]) -> int:
    """Width of columns side by side."""
    return sum(widths[index] for index in block) + GAP * (len(block) - 1)


def table(*columns: str) -> Sheet:
    """An empty table; the others hold numbers.

    ``<`` before a heading makes a column of words, ``~`` one of names, which may be cut.
    """
    made = Sheet()
    for index, name in enumerate(columns):
        words = name.startswith(("<", "~"))
        if name.startswith("~"):
            made.names.add(index)
        made.add_column(
            name[1:] if words else name,
            justify="left" if words else "right",
            no_wrap=not words,
            overflow="fold",
        )
    return made


def columns_table(columns: Iterable[tuple[str, Sequence[RenderableType]]]) -> Sheet:
    """A table of columns, each a heading as `table` takes it and its cells."""
    headings, cells = zip(*columns, strict=True)
    made = table(*headings)
    for row in zip(*cells, strict=True):
        made.add_row(*row)
    return made


def facts_table(facts: Mapping[str, RenderableType]) -> Sheet:
    """A table without headings: a name and a value in each row."""
    made = table("<", "<")
    made.show_header = False
    for name, value in facts.items():
        made.add_row(name, value)
    return made


def to_text(parts: Iterable[RenderableType], terminal: bool) -> str:
    """Render parts, each followed by a line break, for a terminal or for a file.

    In a terminal the width is the terminal's, and more where not even one column fits beside the
    first; in a file, without colours, only long names are cut and long words folded.
    """
    written = StringIO()
    console = Console(
        file=written,
        width=get_terminal_size().columns if terminal else WIDE,
        force_terminal=terminal,
        color_system="auto" if terminal else None,
        markup=False,
        emoji=False,
        highlight=False,
    )
    width, height = console.size
    for part in _fitted(parts, width):
        needed = width
        if isinstance(part, Table):
            needed = Measurement.get(console, console.options.update(width=WIDE), part).minimum
        console.size = ConsoleDimensions(max(width, needed), height)
        console.print(part, crop=False)
    return "".join(line.rstrip() + "\n" for line in written.getvalue().split("\n")[:-1])


def _fitted(parts: Iterable[RenderableType], width: int) -> Iterable[RenderableType]:
    for part in parts:
        if not isinstance(part, Sheet):
            yield part
            continue
        for index, piece in enumerate(part.fitted(width)):
            if index:
                yield ""
            yield piece


def to_html(parts: Iterable[RenderableType]) -> str:
    """Parts as HTML for a notebook: tables and paragraphs, every text escaped."""
    return "\n".join(_table_html(x) if isinstance(x, Table) else _line_html(x) for x in parts)


def _line_html(part: RenderableType) -> str:
    lines = str(part).split("\n")
    return f"<p>{'<br>'.join(map(escape, lines))}</p>" if str(part) else ""


def _unfolded(text: RenderableType) -> str:
    return str(text).replace("\n", " ")


def _table_html(part: Table) -> str:
    def row_html(tag: str, cells: Iterable[RenderableType]) -> str:
        made = (
            f'<{tag} style="text-align: {column.justify}">{escape(_unfolded(cell))}</{tag}>'
            for column, cell in zip(part.columns, cells, strict=True)
        )
        return f"<tr>{''.join(made)}</tr>"

    headings = row_html("th", (column.header for column in part.columns))
    lines = ["<table>", *([f"<thead>{headings}</thead>"] if part.show_header else []), "<tbody>"]
    lines += [row_html("td", cells) for cells in zip(*(x.cells for x in part.columns), strict=True)]
    return "\n".join([*lines, "</tbody>", "</table>"])


def _breadth(text: RenderableType) -> int:
    return max(cell_len(line) for line in str(text).split("\n"))


def literal(name: str) -> Text:
    """A name from a file as it is, without markup and with control characters spelt out."""
    return Text(printable(name))


def short(name: str) -> Text:
    """A name from a file in a line of text: cut in the middle where it is long."""
    return Text(*elided([literal(name).plain], MOST_OF_A_NAME))


def elided(names: Sequence[str], most: int) -> list[str]:
    """Names of at most ``most`` characters, cut in the middle, or of more if they need it.

    Names that differ go on differing: all are cut alike, at the first place and length that keep
    them apart.
    """
    distinct = {*names}
    longest = max(map(len, distinct), default=0)
    for size in range(most, longest):
        for head in ((size - 1) // 2, (size - 1) // 4, 3 * (size - 1) // 4):
            shown = {name: _cut_out(name, size, head) for name in distinct}
            if len({*shown.values()}) == len(distinct):
                return [shown[name] for name in names]
    return [*names]


def _cut_out(name: str, size: int, head: int) -> str:
    return name if len(name) <= size else f"{name[:head]}…{name[len(name) - size + head + 1 :]}"


TIME_UNITS = (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6), ("ns", 1e-9))
BIT_UNITS = (
    ("Gbit", BITS_PER_GBIT),
    ("Mbit", BITS_PER_MBIT),
    ("kbit", BITS_PER_KBIT),
    ("bit", 1.0),
)
COUNT_UNITS = (("10⁹", 1e9), ("10⁶", 1e6), ("10³", 1e3), ("", 1.0))


def percent(share: float) -> str:
    """``86.1 %``."""
    return f"{100 * share:.1f} %"


def scaled(values: Sequence[float], units: Sequence[tuple[str, float]]) -> tuple[list[str], str]:
    """Numbers of one column in the one unit, of those given, that suits the largest."""
    largest = max(values)
    unit, scale = next((pair for pair in units if largest >= pair[1]), units[-1])
    counts = scale == 1 and all(isinstance(value, int) for value in values)
    digits = 0 if counts else 1 if largest >= 100 * scale else 2 if largest >= 10 * scale else 3
    return [f"{value / scale:,.{digits}f}" for value in values], unit


def counted(number: int, thing: str) -> str:
    """``1 programme``, ``7,056 programmes``."""
    return f"{number:,} {thing}" + ("" if number == 1 else "s")
