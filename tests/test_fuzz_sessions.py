"""Sessions: command after command in one folder, among files that are altered in between.

What is known of every file is kept beside the folder. Whatever was done before, each command ends
as is documented for what it reads; one that refuses leaves every file as it was; what it writes is
whole, is the same for the same question, and is all that it writes.
"""

from __future__ import annotations

import csv
import io
import json
import posixpath
import shutil
import tomllib
from collections import Counter
from collections.abc import Callable
from itertools import count, product
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from fuzzing import Told, told
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    rule,
    run_state_machine_as_test,
)
from session_files import (
    BY_HAND,
    EVERY,
    NAMES,
    canonical,
    cut,
    form,
    meaning,
    renumbered,
    snapshot,
    untimed,
    written,
)
from study_work import integrity

import codesign
from codesign.design_file import problem_from_dict
from codesign.stored import SEAL, sealed
from codesign.study.liveness import this_process
from codesign.study.workers import Serial
from codesign.terminal import (
    BAD_INPUT,
    INFEASIBLE,
    INTERRUPTED,
    NO_ANSWER,
    PROVEN,
    UNPROVEN,
    WRONG,
)

ANY = {PROVEN, BAD_INPUT, INFEASIBLE, UNPROVEN, NO_ANSWER}
GAP = 1e-6
DESCRIPTIONS = ("network", "technology", "memory", "accelerator")
RESULTS = ("design", "evaluation", "assignment")
STORE = NAMES["store"][0]
BESIDE = ("-wal", "-shm", "-journal")  # files of a store that is or was open
SPACES = (
    ("--rows", "1,2", "--cols", "1", "--bits", "4,8"),
    ("--rows", "1", "--cols", "1,4", "--bits", "4,8", "--tie"),
    ("--rows", "2", "--cols", "1,2", "--bits", "8", "--precision", "multi-pass"),
)
WANTED = (
    ("--max-area-mm2", "0.02"),
    ("--max-area-mm2", "0.006"),
    ("--max-area-mm2", "0.0001"),
    ("--minimize", "area"),
    ("--minimize", "noise", "--max-area-mm2", "0.01", "--max-model-mbit", "0.0005"),
)
DATA = st.data()


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


class Session(RuleBasedStateMachine):
    """A user's session in a folder of its own."""

    def __init__(self, folder: Path, tally: Counter[str]) -> None:
        super().__init__()
        self.folder, self.tally = folder, tally
        self.known: dict[Any, Known] = {}  # by what is in a file
        self.answers: dict[Any, Any] = {}  # by what was asked
        self.certified: dict[Any, list[Any]] = {}  # by certificate: problems and proofs
        self.before = pytest.MonkeyPatch()
        folder.mkdir()
        self.before.chdir(folder)
        self.before.setattr("codesign.study.Processes", Here)
        self.before.setattr("codesign.study.liveness.PATIENCE_S", 0.5)

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
            assert not changed, (words, answer, changed)
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

    # What a user does ----------------------------------------------------------------------------

    @initialize(data=DATA)
    def begin(self, data: Any) -> None:
        """A network, a study, and a design with its certificate."""
        for kind in ("network", "study"):
            self.put(NAMES[kind][0], kind, written(data, kind, faulty=False))
        self.solve_certified(data)

    def put(self, name: str, kind: str, content: bytes, state: str = "sound") -> None:
        path = self.folder / name
        if path.is_dir():
            shutil.rmtree(path)
        path.write_bytes(content)
        self.note(name, Known(kind, state))

    @rule(data=DATA)
    def write_by_hand(self, data: Any) -> None:
        kind = data.draw(st.sampled_from(BY_HAND), "kind")
        faulty = data.draw(st.integers(0, 3), "faulty") == 0
        name = data.draw(st.sampled_from(NAMES[kind]), "name")
        self.put(name, kind, written(data, kind, faulty), "wrong" if faulty else "sound")

    def platform(self, data: Any) -> list[str | Reads]:
        """Options that name a file, each now and then."""
        words: list[str | Reads] = []
        for option, kind in (("--technology", "technology"), ("--memory", "memory")):
            if data.draw(st.integers(0, 3), option) == 0:
                words += [option, self.read(data, kind)]
        return words

    @rule(data=DATA)
    def solve(self, data: Any) -> None:
        words = ["solve", self.read(data, "network"), *self.platform(data)]
        words += [*data.draw(st.sampled_from(SPACES)), *data.draw(st.sampled_from(WANTED))]
        how: tuple[str, ...] = data.draw(st.sampled_from([(), (), ("--method", "whole")]), "how")
        usual = {PROVEN, INFEASIBLE}
        if data.draw(st.integers(0, 7), "limit") == 0:
            how = data.draw(st.sampled_from([("--rel-gap", "0.5"), ("--time-limit-s", "1e-9")]))
            usual |= {UNPROVEN, NO_ANSWER}
        out = self.write(data, "design")
        answer = self.act(*words, *how, "--out", out, "--json", usual=usual)
        if answer.code in (PROVEN, UNPROVEN):
            assert answer.out.isascii()
            assert json.loads(answer.out) == json.loads((self.folder / out.name).read_bytes())
        if answer.code != BAD_INPUT and (not how or "whole" in how):  # whichever way
            asked = tuple(map(self.asked_of, words))
            worth = answer.code, json.loads(answer.out or "{}").get("metrics")
            before = self.answers.setdefault(asked, worth)
            assert before[0] == worth[0], words
            assert before[1] == (worth[1] and pytest.approx(worth[1], rel=GAP)), words

    @rule(data=DATA)
    def solve_certified(self, data: Any) -> None:
        words = ["solve", self.read(data, "network"), *data.draw(st.sampled_from(SPACES))]
        words += data.draw(st.sampled_from(WANTED))
        out, proof = self.write(data, "design"), self.write(data, "certificate")
        usual = {PROVEN, INFEASIBLE}
        answer = self.act(*words, "--out", out, "--certificate", proof, "--quiet", usual=usual)
        if answer.code == PROVEN:
            design = json.loads((self.folder / out.name).read_bytes())
            about = canonical(design["problem"]), design["proof"]
            self.certified.setdefault(self.content(proof.name), []).append(about)

    @rule(data=DATA)
    def assign(self, data: Any) -> None:
        words = ["assign", self.read(data, "network"), "--bits", "4,8"]
        words += data.draw(st.sampled_from([("--max-gbops", "1e-4"), ("--minimize", "model")]))
        usual = {PROVEN, INFEASIBLE}
        for option, kind in (("--sensitivity", "losses"), ("--latency-table", "times")):
            if data.draw(st.integers(0, 3), option) == 0:
                words += [option, self.read(data, kind)]
                usual |= {BAD_INPUT}  # the table of another network
        self.act(*words, "--out", self.write(data, "assignment"), usual=usual)

    @rule(data=DATA)
    def evaluate(self, data: Any) -> None:
        words = ["evaluate", self.read(data, "network"), "--accelerator"]
        words += [self.read(data, "accelerator"), *self.platform(data)]
        usual = {PROVEN}
        if data.draw(st.booleans(), "of a result"):
            words += ["--widths", self.read(data, "design", "assignment")]
            usual |= {BAD_INPUT}  # the widths of another network
        self.act(*words, "--out", self.write(data, "evaluation"), "--quiet", usual=usual)

    @rule(data=DATA)
    def pareto(self, data: Any) -> None:
        network, out = self.read(data, "network"), self.write(data, "front")
        folder = data.draw(st.sampled_from(["points", "points", "net.toml", "net.toml/x"]), "to")
        words = ["pareto", network.name, *SPACES[0], "--points", "2", "--designs", folder]
        words += ["--out", out.name]
        usual = {"sound": {PROVEN, INFEASIBLE}, "odd": ANY}.get(self.state(network), {BAD_INPUT})
        points = [f"{folder}/point_{n}.json" for n in (1, 2)]
        taken = (self.folder / folder).is_file() or (self.folder / folder).parent.is_file()
        if taken or not all(self.writable(Writes(x, ""), [network.name]) for x in [out.name]):
            usual = {BAD_INPUT}
        elif any((self.folder / point).is_dir() for point in points):
            usual = usual | {BAD_INPUT}
        written = {posixpath.normpath(out.name), folder, *points}
        if self.told(words, usual, written.__contains__).code == PROVEN:
            self.keep(Writes(out.name, "front"))
            found = (self.folder / out.name).read_text().count("\n") - 1  # two, or one
            for point in points[:found]:
                self.keep(Writes(point, "design"))

    @rule(data=DATA)
    def fit(self, data: Any) -> None:
        kind = data.draw(st.sampled_from(["pe", "sram"]), "kind")
        measured = self.read(data, f"{kind} areas")
        out = self.write(data, "technology")
        self.act("fit", measured, "--kind", kind, "--name", "own", "--out", out, usual={PROVEN})

    # What a user looks at ------------------------------------------------------------------------

    @rule(data=DATA)
    def check(self, data: Any) -> None:
        self.checked(self.read(data, "design", "evaluation").name)

    def checked(self, name: str) -> None:
        """A sound file holds, an altered one never does."""
        states = {self.state(Reads(name, (kind,))) for kind in ("design", "evaluation")}
        usual = {PROVEN} if states & {"sound", "forged"} else {WRONG, BAD_INPUT}
        self.told(["check", name], usual, lambda _: False)

    @rule(data=DATA)
    def check_deeply(self, data: Any) -> None:
        """A certificate is accepted for what it proves, and for nothing else."""
        design, proof = self.read(data, "design"), self.read(data, "certificate")
        usual = self.verdicts(design, proof)
        words = ["check", design.name, "--deep", "--certificate", proof.name]
        self.told(words, usual, lambda _: False)

    def verdicts(self, design: Reads, proof: Reads) -> set[int]:
        """How a deep check may end."""
        state, proof_state = self.state(design), self.state(proof)
        if "wrong" in (state, proof_state):
            return {BAD_INPUT}
        if state == "odd":
            return {WRONG, BAD_INPUT}
        claim = json.loads((self.folder / design.name).read_bytes())
        about = canonical(claim["problem"]), claim["proof"]
        if proof_state == "odd":
            if form((self.folder / proof.name).read_bytes()) != "codesign-certificate/1":
                return {BAD_INPUT}
            return {WRONG} if state == "forged" else {PROVEN, WRONG}
        if state == "forged":
            return {WRONG}
        if about in self.certified[self.content(proof.name)]:
            return {PROVEN}
        bound = json.loads((self.folder / proof.name).read_bytes())["bound"]
        optimal = claim["proof"]["status"] == "optimal"
        most = claim["proof"]["objective"]
        least = (most if optimal else claim["proof"]["bound"]) * (1 - GAP)
        return {PROVEN, WRONG} if least <= bound <= most else {WRONG}

    @rule(data=DATA)
    def explain(self, data: Any) -> None:
        """A proven design is explained, one that is not the best of its problem never."""
        design = self.read(data, "design")
        limit = data.draw(st.sampled_from([(), (), ("--time-limit-s", "1e-9")]), "limit")
        state = self.state(design)
        usual = {PROVEN, UNPROVEN, NO_ANSWER} if limit else {PROVEN}
        if state == "forged":
            usual = {BAD_INPUT, NO_ANSWER} if limit else {BAD_INPUT}
        elif state == "odd":
            usual = ANY
        elif state == "wrong":
            usual = {BAD_INPUT}
        elif json.loads((self.folder / design.name).read_bytes())["proof"]["status"] != "optimal":
            usual |= {BAD_INPUT}
        answer = self.told(["explain", design.name, "--json", *limit], usual, lambda _: False)
        if answer.code == PROVEN:
            told = untimed(json.loads(answer.out))
            assert self.answers.setdefault(("explained", self.content(design.name)), told) == told

    @rule(data=DATA)
    def show(self, data: Any) -> None:
        kinds = {"network": "networks", "technology": "technologies"}
        kinds |= {"memory": "memories", "accelerator": "accelerators"}
        kind = data.draw(st.sampled_from(["result", *kinds]), "kind")
        if kind == "result":
            name = self.read(data, *RESULTS)
            usual = {PROVEN} if name.name.endswith(".json") else {BAD_INPUT}
            self.act("show", name, usual=usual)
        else:
            self.act("show", kinds[kind], self.read(data, kind), usual={PROVEN})

    # What befalls a file -------------------------------------------------------------------------

    @rule(data=DATA)
    def alter(self, data: Any) -> None:
        names = [x for x in snapshot(self.folder) if not x.endswith(BESIDE)] or [*EVERY[:1]]
        name = data.draw(st.sampled_from(names), "file")
        path = self.folder / name
        ways = ["number", "number", "cut", "swap", "copy", "delete", "folder"]
        way = data.draw(st.sampled_from(ways if path.is_file() else ["delete"]), "way")
        other = self.folder / data.draw(st.sampled_from(names), "other")
        self.tally[way] += 1
        if way == "number":
            path.write_bytes(renumbered(data, path.read_bytes()))
        elif way == "cut":
            path.write_bytes(cut(data, path.read_bytes()))
        elif way == "copy":
            if other.is_file():
                path.write_bytes(other.read_bytes())
        elif way == "swap":
            if not other.is_file():
                return
            mine, theirs = path.read_bytes(), other.read_bytes()
            path.write_bytes(theirs)
            other.write_bytes(mine)
        elif way == "folder":
            path.unlink()
            path.mkdir()
        elif path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
        self.checked(name)

    @rule(data=DATA)
    def forge(self, data: Any) -> None:
        """A design that says it is the best of a problem with more area, its digest made anew."""
        self.solve_certified(data)
        names = [x for x in self.of_kind("design") if self.state(Reads(x, ("design",))) == "sound"]
        contents = [json.loads((self.folder / name).read_bytes()) for name in names]
        fits = [x for x in contents if x["proof"]["status"] == "optimal"]
        fits = [x for x in fits if "area_mm2" in x["problem"]["budgets"]]
        if not fits:
            return
        found = data.draw(st.sampled_from(fits), "design")
        found["problem"]["budgets"]["area_mm2"] *= data.draw(st.sampled_from([4.0, 1.5]), "times")
        del found[SEAL]
        best = codesign.solve(problem_from_dict(found["problem"], "forged"))
        if best.proof.objective >= found["proof"]["objective"] * (1 - 2 * GAP):
            return  # it is the best of that problem too
        name = data.draw(st.sampled_from(NAMES["design"]), "name")
        self.put(name, "design", json.dumps(sealed(found)).encode(), "forged")
        self.tally["forge"] += 1
        for proof in self.of_kind("certificate"):
            words = ["check", name, "--deep", "--certificate", proof]
            self.told(words, {WRONG}, lambda _: False)

    # Studies -------------------------------------------------------------------------------------

    @rule(data=DATA)
    def run_study(self, data: Any) -> None:
        """Begin one or go on with it, whatever is there."""
        grid, resume = self.read(data, "study"), data.draw(st.booleans(), "resume")
        state = self.state(Reads(STORE, ("store",))) if (self.folder / STORE).exists() else "none"
        asked, _ = self.cells_of(grid)
        if "wrong" in (state, asked) or (state == "sound" and not resume):
            self.ran(grid, resume, {BAD_INPUT})
        elif "odd" in (state, asked):
            self.ran(grid, resume, ANY)  # what is in the store then, nobody knows
        else:
            self.ran(grid, resume, {PROVEN})
            self.look(waiting=False)

    @rule(data=DATA)
    def run_study_again_and_again(self, data: Any) -> None:
        """Begin one; whatever ends it, go on until it is through."""
        for path in self.folder.glob(f"{STORE}*"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        for name in NAMES["network"]:
            if self.state(Reads(name, ("network",))) != "sound":
                self.put(name, "network", written(data, "network", faulty=False))
        grid = Reads(data.draw(st.sampled_from(NAMES["study"]), "grid"), ("study",))
        if self.state(grid) != "sound":
            self.put(grid.name, "study", written(data, "study", faulty=False))
        ends = st.tuples(st.sampled_from([Killed, KeyboardInterrupt]), st.integers(0, 2))
        for end, moment in data.draw(st.lists(ends, max_size=3), "ends"):
            self.ran(grid, True, {PROVEN, INTERRUPTED}, end, moment)
            if data.draw(st.booleans(), "look"):
                self.look(waiting=True)
        self.ran(grid, True, {PROVEN})
        self.look(waiting=False)

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
            patch.setattr("codesign.study.this_process", lambda: gone)
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

    @rule(data=DATA)
    def tell_study(self, data: Any) -> None:
        name = self.read(data, "store").name
        state = self.state(Reads(name, ("store",)))
        usual = {"sound": {PROVEN}, "wrong": {BAD_INPUT}}.get(state, {PROVEN, BAD_INPUT})
        self.told(["study", "status", name], usual, lambda _: False)
        out = self.write(data, "table")
        if not self.writable(out, [name]) or not out.name.endswith(".csv"):
            usual = {BAD_INPUT}
        allowed = {posixpath.normpath(out.name)}
        words = ["study", "export", name, "--out", out.name]
        if self.told(words, usual, allowed.__contains__).code == PROVEN:
            self.keep(Writes(out.name, "table"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sessions", "steps"), [(8, 16), pytest.param(150, 40, marks=pytest.mark.long)]
)
def test_sessions(sessions: int, steps: int, tmp_path: Path) -> None:
    number, tally = count(), Counter[str]()
    run = settings(
        max_examples=sessions,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        derandomize=sessions < 100,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(lambda: Session(tmp_path / str(next(number)), tally), settings=run)
    assert next(number) >= sessions
    commands = {"solve", "assign", "evaluate", "pareto", "fit", "check", "explain", "show"}
    assert {*tally} >= commands | {"study run", "study status", "study export"}
