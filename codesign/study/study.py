"""A study: a grid of problems, each solved once, all results in one file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codesign.errors import SpecError
from codesign.results.dataflow_design import DataflowDesign
from codesign.results.design import Design
from codesign.results.load import design_of
from codesign.study import grid as of_cells
from codesign.study.cell_keys import QuestionBuilder, parameters_json
from codesign.study.executors import Processes
from codesign.study.grid import Cell, Value
from codesign.study.grid_file import front_terms, inside, read_study
from codesign.study.heartbeat import LivenessMonitor, this_process
from codesign.study.records import VERSION
from codesign.study.scheduler import Scheduler, Tally, Work
from codesign.study.solve_cell import answer_question
from codesign.study.store import Store, opened

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

CHUNK = 1000  # cells added in one transaction


@dataclass(frozen=True)
class Study:
    """A grid of problems, each cell a solve or a front.

    Made by `Study.grid` or from a file by `Study.load`.

    Attributes
    ----------
    name : str
    axes : mapping of str to tuple
        Every word of the grid to its values; a word that does not vary has one.
    front : mapping or None
        For a study of fronts, the arguments of `codesign.pareto`.
    """

    name: str
    axes: Mapping[str, tuple[Value, ...]]
    front: Mapping[str, Any] | None = None

    @classmethod
    def grid(
        cls,
        *,
        name: str = "study",
        front: Mapping[str, Any] | None = None,
        folder: str | Path | None = None,
        **grid: Any,
    ) -> Study:
        """Every combination of the values given.

        Parameters
        ----------
        front : mapping, optional
            Make each cell a front: ``objectives``, ``points``, ``ranges``, ``rel_step`` of
            `codesign.pareto`; may be empty.
        folder : str or Path, optional
            What relative paths start from; default: the working folder.
        **grid
            Words of ``codesign solve``'s options, with underscores: ``networks=["resnet18"]``,
            ``max_area_mm2=[2, 4, 6]``, ``quality="uniform:6"``, …. A list is an axis, anything
            else holds for every cell. Networks, technologies and memories may be names, paths or
            objects, ``sensitivity`` a table or the path of one. An option that is a list itself is
            written ``"4,6,8"``, or ``[[4, 6, 8], [8]]`` for an axis of two. ``None``: as if
            left out.

        Raises
        ------
        SpecError
            An unknown word, or a value that the option of that name refuses.
        """
        start = Path() if folder is None else Path(folder)
        return cls._read(name, front, grid, lambda path: start / path)

    @classmethod
    def load(cls, path: str | Path, *, allow: Iterable[str | Path] = ()) -> Study:
        """Read a study from a TOML file: ``name``, ``[grid]``, and for fronts ``[front]``.

        Relative paths in it start from its folder.

        Parameters
        ----------
        allow : iterable of str or Path
            Folders that the file may name files of, besides its own.

        Raises
        ------
        SpecError
            Unreadable, not a study, or it names a file outside of these folders.
        """
        path = Path(path)
        content = read_study(path)
        located = inside(path.parent, allow)
        try:
            return cls._read(content["name"], content.get("front"), content["grid"], located)
        except SpecError as error:
            raise SpecError(f"{path}: {error}") from None

    @classmethod
    def _read(
        cls,
        name: Any,
        front: Mapping[str, Any] | None,
        grid: Mapping[str, Any],
        located: Callable[[Path], Path],
    ) -> Study:
        try:
            terms = None if front is None else front_terms(front, grid)
            axes = of_cells.read_grid(grid, located)
            if not isinstance(name, str) or not name or not name.isprintable():
                raise SpecError(f"name: {name!r} is no name")
        except ValueError as error:  # a number of thousands of digits cannot even be shown
            raise SpecError(str(error)) from None
        return cls(name=name, axes=axes, front=terms)

    def __len__(self) -> int:
        return prod(len(values) for values in self.axes.values())

    def cells(self) -> Iterator[Cell]:
        """Every combination, the last axis running fastest."""
        return of_cells.cells(self.axes)

    def run(
        self,
        store: str | Path,
        *,
        executor: Executor | None = None,
        workers: int | None = None,
        resume: bool = False,
        in_flight: int | None = None,
        on_progress: Callable[[Tally], None] | None = None,
        work: Work = answer_question,
    ) -> Tally:
        """Solve what is not solved yet; every answer is in the store as soon as it is there.

        Whatever ends the run, nothing finished is lost, and none of it is solved again. Several
        runs on one machine may share a store: each question is answered by one of them.

        Parameters
        ----------
        store : str or Path
            An SQLite file; made if there is none.
        executor : concurrent.futures.Executor, optional
            Default: `Processes`, as many as there are cores. ``Serial()`` solves in this process,
            ``distributed.Client(address).get_executor(pure=False)`` on a Dask cluster. Processes
            of your own are best started by "spawn".
        workers : int, optional
            How many processes, instead of an executor.
        resume : bool
            Go on with a store that has results. Cells that lost their worker are tried again, and
            cells that failed under another version of codesign.
        in_flight : int, optional
            Questions handed to the executor at a time; default: two for each of its workers.
        on_progress : callable, optional
            Called now and then with a `Tally`.
        work : callable
            Answers one question, given its JSON and its network's.

        Raises
        ------
        SpecError
            The store holds results and ``resume`` is not set; it is foreign, newer, broken or
            full.
        CodesignError
            The executor broke.
        """
        if executor is not None and workers is not None:
            raise SpecError("give an executor or a number of workers, not both")
        with _workers(executor, workers) as pool, opened(Path(store), write=True) as file:
            if file.is_used and not resume:
                raise SpecError(f"{store}: holds results already; resume (--resume) continues it")
            statuses = self._add_cells(file)
            file.start_run(this_process())
            file.release_dead_runs(LivenessMonitor())
            return Scheduler(file, statuses, pool, work, in_flight, on_progress).run()

    def results(self, store: str | Path) -> pd.DataFrame:
        """The study's cells as a tidy table; see `codesign.study.results`.

        Raises
        ------
        SpecError
            No such store, or one that cannot be read.
        """
        from codesign.study.table import read_results

        mine = {parameters_json(cell) for cell in self.cells()}
        return read_results(
            Path(store), lambda study, parameters: study == self.name and parameters in mine
        )

    def plot(self, store: str | Path, path: str | Path | None = None, **how: Any) -> Figure:
        """Draw small multiples of the results; see `codesign.study.plot.plot_study`.

        Raises
        ------
        SpecError
            As `results`; or the picture cannot be drawn so, or not be written.
        """
        from codesign.study.plot import plot_study

        return plot_study(self.results(store), path, **how)

    def report(self, store: str | Path, path: str | Path) -> None:
        """Write the results as a page (.html) for a browser; see `codesign.study.report`.

        Raises
        ------
        SpecError
            As `results`; or the page cannot be written, or Plotly is not installed.
        """
        from codesign.study.report import report_study

        report_study(store, path, self.results(store))

    def _add_cells(self, store: Store) -> list[tuple[str, str]]:
        builder, statuses = QuestionBuilder(self.front), list[tuple[str, str]]()
        rows = (builder.row(i, cell) for i, cell in enumerate(self.cells()))
        while chunk := list(islice(rows, CHUNK)):
            statuses += store.add_cells(self.name, chunk, VERSION)
        return statuses


def results(store: str | Path) -> pd.DataFrame:
    """Every cell of every study in a store: one row per design.

    Columns: the study, its parameters, status, the metrics, hardware (its mapping where some
    design has another than window; where some is a pipeline, the architecture and what its stages
    have in all), objective, bound and gap, solver, seconds, error, and the
    hash and number by which `load_design` finds the design. A cell without a design is a row
    without figures.

    Raises
    ------
    SpecError
        No such store, or one that cannot be read.
    """
    from codesign.study.table import read_results

    return read_results(Path(store))


def load_design(store: str | Path, question: str, number: int = 1) -> Design | DataflowDesign:
    """A design of a store, with all its layers.

    Parameters
    ----------
    question : str
        Column ``question`` of `results`.
    number : int
        Column ``design``: which point of a front.

    Raises
    ------
    SpecError
        No such store or design.
    """
    with opened(Path(store)) as file:
        return design_of(file.design(str(question), int(number)), str(store))


@contextmanager
def _workers(executor: Executor | None, workers: int | None) -> Iterator[Executor]:
    """The executor given, untouched; or processes, which end with the run."""
    if executor is not None:
        yield executor
        return
    pool = Processes(workers)
    try:
        yield pool
    finally:
        pool.kill()
