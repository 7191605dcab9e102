"""Sessions: command after command in one folder, among files that are altered in between.

What is known of every file is kept beside the folder. Whatever was done before, each command ends
as is documented for what it reads; one that refuses leaves every file as it was; what it writes is
whole, is the same for the same question, and is all that it writes.
"""

from __future__ import annotations

import json
import posixpath
import shutil
from collections import Counter
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule, run_state_machine_as_test
from session_files import (
    BY_HAND,
    EVERY,
    NAMES,
    canonical,
    cut,
    form,
    renumbered,
    snapshot,
    untimed,
    written,
)
from session_folder import ANY, BESIDE, STORE, Folder, Killed, Reads, Writes

import codesign
from codesign.cli.terminal import BAD_INPUT, INFEASIBLE, NO_ANSWER, PROVEN, UNPROVEN, WRONG
from codesign.problem.file import problem_from_dict
from codesign.results.result_file import DIGEST, with_digest
from codesign.stopping import INTERRUPTED

GAP = 1e-6
RESULTS = ("design", "evaluation", "assignment")
SPACES = (
    ("--rows", "1,2", "--cols", "1", "--bits", "4,8"),
    ("--rows", "1", "--cols", "1,4", "--bits", "4,8", "--tie"),
    ("--rows", "2", "--cols", "1,2", "--bits", "8", "--precision", "multi-pass"),
    ("--rows", "1,2", "--cols", "2", "--bits", "4,8", "--mapping", "window,output"),
    ("--rows", "2", "--cols", "2", "--bits", "4,8", "--precision", "widening", "--fill-cycles"),
)
WANTED = (
    ("--max-area-mm2", "0.02"),
    ("--max-area-mm2", "0.006"),
    ("--max-area-mm2", "0.0001"),
    ("--minimize", "area"),
    ("--minimize", "noise", "--max-area-mm2", "0.01", "--max-model-mbit", "0.0005"),
)
DATA = st.data()


def widened(design: dict[str, Any], area: bool) -> dict[str, Any]:
    """A design of a problem with more area, or with more arrays, that says it is solved."""
    problem, solver = design["problem"], design["solver"]
    if area and "area_mm2" in problem["budgets"]:
        problem["budgets"]["area_mm2"] *= 4
    else:
        choices = problem["choices"]
        arrays = len(choices["rows"]) * len(choices["cols"])
        choices |= {"rows": [1, 2, 4], "cols": [1, 2, 4]}
        more = solver["considered"] // arrays * (9 - arrays)
        solver |= {x: solver[x] + more for x in ("considered", "bounded_away")}
    return with_digest({key: content for key, content in design.items() if key != DIGEST})


class Session(Folder):
    """A user's session in a folder of its own."""

    # What a user does ----------------------------------------------------------------------------

    @initialize(data=DATA)
    def begin(self, data: Any) -> None:
        """A network, a study, and a design with its certificate."""
        for kind in ("network", "study"):
            self.put(NAMES[kind][0], kind, written(data, kind, faulty=False))
        self.solve_certified(data)

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
            found = json.loads(answer.out)
            assert found == json.loads((self.folder / out.name).read_bytes())
            assert (answer.code == PROVEN) == (found["proof"]["status"] == "optimal")
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
        if answer.code == INFEASIBLE:  # what is certain of no design is checked by itself
            self.told(["check", proof.name], {PROVEN}, lambda _: False)
            (self.folder / proof.name).unlink()
        elif answer.code == PROVEN:
            design = json.loads((self.folder / out.name).read_bytes())
            about = canonical(design["problem"]), design["proof"]
            self.certified.setdefault(self.content(proof.name), []).append(about)
            for name in self.of_kind("design"):
                self.checked_deeply(Reads(name, ("design",)), Reads(proof.name, ("certificate",)))

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

    @rule(data=DATA)
    def check_deeply(self, data: Any) -> None:
        self.checked_deeply(self.read(data, "design"), self.read(data, "certificate"))

    def checked_deeply(self, design: Reads, proof: Reads) -> None:
        """A certificate is accepted for what it proves, and for nothing else."""
        words = ["check", design.name, "--deep", "--certificate", proof.name]
        self.told(words, self.verdicts(design, proof), lambda _: False)

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
            usual = {PROVEN} if name.name.endswith(".json") else {PROVEN, BAD_INPUT}
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
        """A design that says it is the best of a wider problem, its digest made anew."""
        self.solve_certified(data)
        names = [x for x in self.of_kind("design") if self.state(Reads(x, ("design",))) == "sound"]
        contents = [json.loads((self.folder / name).read_bytes()) for name in names]
        fits = [x for x in contents if x["proof"]["status"] == "optimal"]
        if not fits:
            return
        found = widened(
            data.draw(st.sampled_from(fits), "design"), data.draw(st.booleans(), "area")
        )
        best = codesign.solve(problem_from_dict(found["problem"], "forged"))
        if best.proof.objective >= found["proof"]["objective"] * (1 - 2 * GAP):
            return  # it is the best of that problem too
        name = data.draw(st.sampled_from(NAMES["design"]), "name")
        self.put(name, "design", json.dumps(found).encode(), "forged")
        self.tally["forge"] += 1
        for proof in self.of_kind("certificate"):
            self.checked_deeply(Reads(name, ("design",)), Reads(proof, ("certificate",)))

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
        for name in NAMES["study"]:
            if self.state(Reads(name, ("study",))) != "sound":
                self.put(name, "study", written(data, "study", faulty=False))
        grid, other = (Reads(name, ("study",)) for name in NAMES["study"])
        ends = st.tuples(st.sampled_from([Killed, KeyboardInterrupt]), st.integers(0, 2))
        for end, moment in data.draw(st.lists(ends, max_size=3), "ends"):
            self.ran(grid, True, {PROVEN, INTERRUPTED}, end, moment)
            if data.draw(st.booleans(), "look"):
                self.look(waiting=True)
        self.ran(grid, True, {PROVEN})
        self.look(waiting=False)
        self.ran(other, False, {BAD_INPUT})
        self.ran(other, True, {PROVEN})
        self.look(waiting=False)

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
    ("sessions", "steps"), [(4, 16), pytest.param(150, 40, marks=pytest.mark.long)]
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
