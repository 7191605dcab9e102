"""A folder with files, commands run in it, and what is known of every file.

`tests/test_fuzz_sessions.py` makes sessions of them.
"""

from __future__ import annotations

import csv
import io
import posixpath
import shutil
import tomllib
from collections import Counter
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from fuzzing import Told, told
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine
from session_files import EVERY, NAMES, canonical, meaning, snapshot
from study_work import integrity

from codesign.cli.terminal import BAD_INPUT, INFEASIBLE, NO_ANSWER, PROVEN, UNPROVEN, WRONG
from codesign.stopping import INTERRUPTED
from codesign.study.executors import Serial
from codesign.study.heartbeat import this_process

ANY = {PROVEN, BAD_INPUT, INFEASIBLE, UNPROVEN, NO_ANSWER}
DESCRIPTIONS = ("network", "technology", "memory", "accelerator")
STORE = NAMES["store"][0]
BESIDE = ("-wal", "-shm", "-journal")  # files of a store that is or was open


class Reads(NamedTuple):
    """A file that a command reads, and the kinds that it may be of."""

    name: str
    kinds: tuple[str, ...]


class Writes(NamedTuple):
    """A file that a command writes, and of which kind."""

    name: str
    kind: str


class Known(NamedTuple):
    """What is known of a file's content: its kind; whether it is sound, wrong, forged or odd.

    Sound is what codesign wrote, or what is written by hand as it should be; wrong what must be
    refused; forged a design whose digest holds, but not its claim; odd what may be either.
    """

    kind: str
    state: str
    cells: frozenset[tuple[Any, ...]] = frozenset()


class Killed(BaseException):
    """The process is gone, without a chance to tidy up."""


class Here(Serial):
    """Solves the cells of a study in this process, until something happens before one of them."""

    happens: Callable[[int], None] = staticmethod(lambda question: None)

    def __init__(self, workers: int | None = None) -> None:
        self.asked = -1  # before the question which version this is

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Call now."""
        if self.asked >= 0:
            Here.happens(self.asked)
        self.asked += 1
        return super().submit(fn, *args, **kwargs)

    def kill(self) -> None:
        """Nothing to end."""


class Folder(RuleBasedStateMachine):
    """A folder, and how commands are run in it and judged."""

    def __init__(self, folder: Path, tally: Counter[str]) -> None:
        super().__init__()
        self.folder, self.tally = folder, tally
        self.known: dict[Any, Known] = {}  # by what is in a file
        self.answers: dict[Any, Any] = {}  # by what was asked
        self.certified: dict[Any, list[Any]] = {}  # by certificate: problems and proofs
        self.before = pytest.MonkeyPatch()
        folder.mkdir()
        self.before.chdir(folder)
        self.before.setattr("codesign.study.study.Processes", Here)
        self.before.setattr("codesign.study.heartbeat.DEAD_AFTER_S", 0.5)

    def teardown(self) -> None:
        self.before.undo()
        shutil.rmtree(self.folder)

    # What is known -------------------------------------------------------------------------------

    def content(self, name: str) -> Any:
        """What tells a file's content from others; None where there is no file."""
        path = self.folder / name
        if not path.is_file():
            return None
        beside = [Path(f"{path}{end}") for end in BESIDE if Path(f"{path}{end}").exists()]
        found = path.read_bytes()
        return (found, *(x.read_bytes() for x in beside)) if beside else meaning(found)

    def state(self, read: Reads) -> str:
        """Whether what is read is sound, wrong, forged or odd."""
        content = self.content(read.name)
        named = not {*read.kinds} & {*DESCRIPTIONS} or read.name.endswith(".toml")
        if content is None or not named:  # what does not end so is the name of a shipped one
            return "wrong"
        known = self.known.get(content)
        if known is None:
            return "odd"
        return known.state if known.kind in read.kinds else "wrong"

    def of_kind(self, *kinds: str) -> list[str]:
        """Files known to be of some kinds, in a fixed order."""
        names = [x for x, content in snapshot(self.folder).items() if content is not None]
        known = ((name, self.known.get(self.content(name))) for name in names)
        return [name for name, found in known if found and found.kind in kinds]

    def note(self, name: str, known: Known) -> None:
        """Keep what a file holds now."""
        self.known[self.content(name)] = known

    # What is drawn -------------------------------------------------------------------------------

    def read(self, data: Any, *kinds: str) -> Reads:
        """A file to read: mostly one of the right kind."""
        usual = self.of_kind(*kinds) or [x for kind in kinds for x in NAMES[kind]]
        fits = data.draw(st.integers(0, 7), "fits")
        return Reads(data.draw(st.sampled_from(usual if fits else EVERY), "file"), kinds)

    def write(self, data: Any, kind: str) -> Writes:
        """A file to write: mostly one that is of this kind or is to be."""
        odd = [*EVERY, "no/x.json", "./net.toml", "chip.toml/x.json", "x" * 300]
        fits = data.draw(st.integers(0, 7), "fits")
        return Writes(data.draw(st.sampled_from(NAMES[kind] if fits else odd), "out"), kind)

    # What must hold ------------------------------------------------------------------------------

    def writable(self, write: Writes, others: list[str]) -> bool:
        """Whether a file can be written, and is none of the others."""
        path = self.folder / write.name
        same = posixpath.normpath(write.name) in map(posixpath.normpath, others)
        room = path.parent.is_dir() and len(path.name) < 255
        return room and not path.is_dir() and not same

    def told(self, words: list[str], usual: set[int], may_change: Callable[[str], bool]) -> Told:
        """Run a command; what it may not change is as it was, all of it where it refuses."""
        before, store = snapshot(self.folder), self.known.get(self.content(STORE))
        answer = told(*words, interrupted=INTERRUPTED in usual)
        self.tally[" ".join(words[: 1 + (words[0] == "study")])] += 1
        assert answer.code in usual, (words, answer)
        after = snapshot(self.folder)
        changed = {x for x in {*before, *after} if before.get(x, 0) != after.get(x, 0)}
        if words[0] == "study" and f"{STORE}-wal" in before:  # a killed run's log, taken in
            changed = {x for x in changed if not x.startswith(STORE)}
            self.known |= {} if store is None else {self.content(STORE): store}
        if answer.code in (BAD_INPUT, WRONG, INFEASIBLE) or (
            answer.code == NO_ANSWER and words[0] != "study"
        ):
            proven = answer.code == INFEASIBLE and "--certificate" in words
            proof = {words[words.index("--certificate") + 1]} if proven else set()
            assert changed <= {*map(posixpath.normpath, proof)}, (words, answer, changed)
        assert all(map(may_change, changed)), (words, answer, changed)
        return answer

    def act(self, *words: str | Reads | Writes, usual: set[int]) -> Told:
        """Run a command, keep what it writes, and hold it against what it wrote before."""
        reads = [word for word in words if isinstance(word, Reads)]
        writes = [word for word in words if isinstance(word, Writes)]
        states = {self.state(read) for read in reads}
        refused = not all(
            self.writable(write, [x.name for x in (*reads, *writes) if x is not write])
            for write in writes
        )
        expected = usual
        if refused or "wrong" in states:
            expected = {BAD_INPUT}
        elif states & {"odd", "forged"}:
            expected = ANY
        asked = tuple(self.asked_of(word) for word in words)
        named = [word if isinstance(word, str) else word.name for word in words]
        out = {posixpath.normpath(write.name) for write in writes}
        answer = self.told(named, expected, out.__contains__)
        if answer.code not in (PROVEN, UNPROVEN):
            writes = []
        for write in writes:
            self.keep(write)
        found = answer.code, {x.kind: self.content(x.name) for x in writes}
        if not refused and "--time-limit-s" not in words:
            assert self.answers.setdefault(asked, found) == found, (words, answer)
        return answer

    def asked_of(self, word: str | Reads | Writes) -> Any:
        """A word of a command, with what is in the file in place of its name."""
        if isinstance(word, Reads):
            return word.kinds, self.content(word.name), self.state(word)
        return word.kind if isinstance(word, Writes) else word

    def keep(self, write: Writes) -> None:
        """Keep what was written; a result holds."""
        assert (self.folder / write.name).is_file(), write
        self.note(write.name, Known(write.kind, "sound"))
        if write.kind in ("design", "evaluation"):
            self.checked(write.name)

    # What commands have in common -----------------------------------------------------------------

    def put(self, name: str, kind: str, content: bytes, state: str = "sound") -> None:
        path = self.folder / name
        if path.is_dir():
            shutil.rmtree(path)
        path.write_bytes(content)
        self.note(name, Known(kind, state))

    def checked(self, name: str) -> None:
        """A sound file holds, an altered one never does."""
        states = {self.state(Reads(name, (kind,))) for kind in ("design", "evaluation")}
        usual = {PROVEN} if states & {"sound", "forged"} else {WRONG, BAD_INPUT}
        self.told(["check", name], usual, lambda _: False)

    # Studies -------------------------------------------------------------------------------------

    def cells_of(self, grid: Reads) -> tuple[str, frozenset[tuple[Any, ...]]]:
        """Whether a study can be run, and its cells."""
        state = self.state(grid)
        if state != "sound":
            return state, frozenset()
        content = tomllib.loads((self.folder / grid.name).read_text())
        axes = content["grid"]
        states = [self.state(Reads(name, ("network",))) for name in axes["networks"]]
        state = next((x for x in ("wrong", "odd") if x in states), "sound")
        cells = product([content["name"]], axes["networks"], axes["max_area_mm2"])
        return state, frozenset(cells)

    def ran(
        self,
        grid: Reads,
        resume: bool,
        usual: set[int],
        end: type[BaseException] | None = None,
        moment: int = 0,
    ) -> None:
        """Run a study to the end, or until an interrupt or a kill before some cell."""
        left: dict[str, bytes] = {}

        def happens(question: int) -> None:
            if end is not None and question == moment:
                left.update({x.name: x.read_bytes() for x in self.folder.glob(f"{STORE}*")})
                raise end

        store = self.known.get(self.content(STORE)) or Known("store", "sound")
        gone = this_process()._replace(started="0")  # one that is no more
        words = ["study", "run", grid.name, "--store", STORE, "--quiet", *["--resume"] * resume]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Here, "happens", staticmethod(happens))
            patch.setattr("codesign.study.study.this_process", lambda: gone)
            try:
                self.told(words, usual, lambda name: name.startswith(STORE))
            except Killed:
                for path in self.folder.glob(f"{STORE}*"):
                    path.unlink()
                for name, content in left.items():
                    (self.folder / name).write_bytes(content)
                self.tally["killed"] += 1
        if usual <= {PROVEN, INTERRUPTED}:
            self.note(STORE, Known("store", "sound", store.cells | self.cells_of(grid)[1]))

    def look(self, waiting: bool) -> None:
        """Each cell is in the store once, and its answer is what it was before."""
        cells = self.known[self.content(STORE)].cells
        assert integrity(self.folder / STORE) == "ok"
        self.note(STORE, Known("store", "sound", cells))  # its log of writes taken in
        answer = self.told(["study", "export", STORE], {PROVEN}, lambda _: False)
        rows = [*csv.DictReader(io.StringIO(answer.out, newline=""))]
        found = [(row["study"], row["network"], float(row["max_area_mm2"])) for row in rows]
        assert sorted(found) == sorted(cells)
        states = {row["status"] for row in rows}
        assert states <= {"optimal", "infeasible"} | ({"waiting"} if waiting else set())
        for row in rows:
            told = canonical({k: x for k, x in row.items() if k not in ("study", "seconds")})
            if row["status"] != "waiting":
                asked = "cell", row["question"], row["network"]
                assert self.answers.setdefault(asked, told) == told
