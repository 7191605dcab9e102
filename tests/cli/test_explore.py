"""``codesign explore``: answers that hold, and a server for its own page alone."""

from __future__ import annotations

import json
import math
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from threading import Thread
from urllib.parse import urlencode, urlsplit

import oracle
import pandas as pd
import pytest
from command_line import SMALL, TINY, refused
from ctrl_c import posix
from enumerated_fronts import front_case
from installed import executable
from pages import Page
from pictures import NETWORK

import codesign
from codesign.cli.explore.answers import Explored, of_front
from codesign.cli.explore.page import explore_page, limit_text
from codesign.cli.explore.server import HEADERS, Exploration, Server
from codesign.problem.file import problem_to_dict
from codesign.problem.tolerances import ceiling

NEAR = 1e-6


FEW = (0, 5, 6, 7, 12, 14)  # which have designs within their budgets
MANY = [pytest.param(n, marks=[pytest.mark.long, pytest.mark.slow]) for n in range(16, 300)]


@pytest.mark.parametrize("seed", [*FEW, *MANY])
def test_what_is_told_within_limits_is_so(seed: int) -> None:
    """Bounds and designs are held to all designs enumerated, at random limits."""
    case, rng = front_case(seed), random.Random(seed)
    if not case.points:
        pytest.skip("no design within the budgets of this problem")
    objective = case.objectives[0]
    front = codesign.pareto(case.problem, case.objectives, 3)
    (family,) = of_front(front, front.whole_designs).families
    for design in front.whole_designs:
        if design.problem.objective == objective:
            budgets = design.problem.budgets
            own = {x: budgets.get(x, design.metrics[x]) for x in family.limited}
            assert family.answer(own).proven
    for _ in range(60):
        limits = {}
        for name in family.limited:
            near = rng.choice(case.points).value(name) * rng.choice([0.7, 0.999, 1, 1.001, 1.5])
            limits[name] = min(near, case.problem.budgets.get(name, math.inf))
        least = oracle.least(case.points, objective, limits)
        told = family.answer(limits)
        true = math.inf if least is None else least
        assert told.bound <= true * (1 + NEAR)
        assert told.best >= true * (1 - NEAR)
        if told.number is not None:
            best = front.designs[told.number]
            assert all(best.metrics[x] <= most * (1 + NEAR) for x, most in limits.items())
            assert best.metrics[objective] == told.best
        if told.proven:
            assert told.best == true or told.best == pytest.approx(true, rel=NEAR)


def test_a_proof_holds_within_tighter_limits_and_no_others() -> None:
    choices = codesign.Choices(rows=(2, 4), cols=(4,), weight_bits=(4, 8), activation_bits=(8,))
    problem = codesign.Problem(network=NETWORK, choices=choices, budgets={"area_mm2": 0.3})
    design = codesign.solve(problem)
    (family,) = Explored([design]).families
    taken = design.metrics["area_mm2"]
    assert family.answer({"area_mm2": taken}).text.endswith("nothing within these limits is better")
    assert family.answer({"area_mm2": 0.31}).bound == 0
    assert "how good is not known" in family.answer({"area_mm2": 0.31}).text
    below = family.answer({"area_mm2": 0.99 * taken})
    assert (below.number, below.bound) == (None, design.proof.bound)
    family.rule_out({"area_mm2": 0.01}, math.inf)
    assert family.answer({"area_mm2": 0.009}).text == "proven: no design keeps these limits"
    family.rule_out({"area_mm2": 9.0, "latency_s": 1e-9}, math.inf)
    assert family.answer({"area_mm2": 8.0}).bound == 1e-9


def test_a_front_without_its_designs_knows_as_much_and_finds_them(tmp_path: Path) -> None:
    """Of its table alone: the same answers, and a point solved again takes its outline's place."""
    choices = codesign.Choices(rows=(2, 4), cols=(4,), weight_bits=(4, 8), activation_bits=(8,))
    problem = codesign.Problem(network=NETWORK, choices=choices, quality="uniform:4")
    front = codesign.pareto(problem, ["latency", "area"], 3)
    front.save(tmp_path / "front.csv")
    alone = of_front(codesign.Front.load(tmp_path / "front.csv"))
    whole = of_front(front, front.whole_designs)
    (mine,), (other,) = alone.families, whole.families
    assert problem_to_dict(mine.problem) == problem_to_dict(other.problem)
    rng, answers = random.Random(4), 0
    for _ in range(50):
        limits = {
            x: rng.choice(front.designs).metrics[x] * rng.uniform(0.8, 1.3) for x in mine.limited
        }
        found, right = mine.answer(limits), other.answer(limits)
        assert (found.best, found.bound, found.proven) == (right.best, right.bound, right.proven)
        assert not found.whole
        answers += found.number is not None
    assert answers > 10
    for number, (_, outline) in enumerate([*mine.designs]):
        limits = mine.limits_at(outline)
        assert "solve it to see its design" in mine.answer(limits).text
        assert alone.add(codesign.solve(mine.asked(limits))) == number
        told = mine.answer(limits)
        assert (told.number, told.whole, told.proven) == (number, True, True)
        assert alone.designs[number].metrics == front.designs[number].metrics
    assert len(alone.designs) == len(front)


def test_limits_are_written_as_what_they_stand_for() -> None:
    """Also one of many digits: what was proven within it holds within what is written."""
    rng = random.Random(0)
    for _ in range(2000):
        value = rng.uniform(1, 10) * 10.0 ** rng.randint(-9, 9)
        assert value <= ceiling(float(limit_text(value)))
        assert float(limit_text(value)) <= ceiling(value)
    assert limit_text(8.0) == "8"
    assert limit_text(0.01025390625) == "0.01025390625"


@pytest.fixture(scope="module")
def explored() -> Explored:
    choices = codesign.Choices(rows=(2, 4), cols=(4,), weight_bits=(4, 8), activation_bits=(8,))
    network = replace(NETWORK, name="</script><b>")
    problem = codesign.Problem(network=network, choices=choices, quality="uniform:4")
    front = codesign.pareto(problem, ["latency", "area"], 3)
    return of_front(front, front.whole_designs)


@pytest.fixture
def server(explored: Explored) -> Iterator[Server]:
    with Server(
        Exploration(Explored(explored.designs, ("latency_s", "area_mm2")), "title")
    ) as made:
        thread = Thread(target=made.serve_forever)
        thread.start()
        yield made
        made.shutdown()
        thread.join()


def ask(server: Server, path: str | None = "", body: object = None, **headers: str) -> HTTPResponse:
    """An answer; below the token, or of a path that begins with a slash."""
    place = path if path and path.startswith("/") else f"/{server.token}/{path}"
    own = {
        "Host": f"127.0.0.1:{server.server_port}",
        "Origin": server.address[:-1].rpartition("/")[0],
    }
    sent = None if body is None else json.dumps(body)
    headers = {"Content-Type": "application/json", **own, **headers} if sent else {**own, **headers}
    connection = HTTPConnection("127.0.0.1", server.server_port, timeout=30)
    connection.putrequest("POST" if sent else "GET", place, skip_host=True)
    for name, value in headers.items():
        if value:
            connection.putheader(name, value)
    if sent:
        connection.putheader("Content-Length", str(len(sent)))
    connection.endheaders(sent.encode() if sent else None)
    reply = connection.getresponse()
    reply.content = reply.read()  # type: ignore[attr-defined]
    connection.close()
    return reply


def told(reply: HTTPResponse) -> dict:
    return json.loads(reply.content)  # type: ignore[attr-defined,no-any-return]


def test_pages_are_served_and_ask_only_this_server(server: Server) -> None:
    reply = ask(server)
    made = Page(reply.content.decode())
    assert made.tabs == ["explore"]
    policy = next(x for _, x in made.found if x.get("http-equiv"))["content"]
    assert "connect-src 'self'" in str(policy)
    assert {name: reply.headers[name] for name in HEADERS} == HEADERS
    assert not [name for name in reply.headers if name.lower().startswith("access-control")]
    page = Page(ask(server, "design/0").content.decode())
    assert page.tabs[0] == "summary"
    file = told(ask(server, "design/0.json"))
    assert codesign.Design.from_dict(file, "it").metrics == server.exploration.design("0").metrics


def test_nobody_else_is_answered(server: Server) -> None:
    port, token = server.server_port, server.token
    assert server.server_address[0] == "127.0.0.1"
    for path in ("/", "/state", f"/{token[:-1]}/state", f"/{token}x/state"):
        assert ask(server, path).status == 403, path
    for host in ("", "evil.example", f"evil.example:{port}", "127.0.0.1", f"127.0.0.1:{port}0"):
        assert ask(server, "state", Host=host).status == 403, host
    assert ask(server, "state", Host=f"localhost:{port}").status == 200
    for path in ("nothing", "design/", "design/99", "design/../x", "solve", "static/x"):
        assert ask(server, path).status in (400, 404), path


def test_nothing_is_solved_for_another_page(server: Server) -> None:
    limits = dict.fromkeys(server.exploration.explored.families[0].limited, 1.0)
    good = {"family": 0, "limits": limits}
    plain = {"Content-Type": "text/plain"}
    for headers in ({"Origin": ""}, {"Origin": "http://evil.example"}, plain):
        assert ask(server, "solve", good, **headers).status == 400, headers
    assert ask(server, f"/{'x' * len(server.token)}/solve", good).status == 403
    for bad in ([], {"family": 9, "limits": limits}, {"family": 0, "limits": {}}, {"family": True}):
        assert ask(server, "solve", bad).status == 400, bad
    for value in (0, -1, "1", None, True, 1e301):
        worse = {"family": 0, "limits": dict.fromkeys(limits, value)}
        assert ask(server, "solve", worse).status == 400, value
    assert ask(server, "solve", {"family": 0, "limits": limits, "more": "x" * 20_000}).status == 400
    assert not server.exploration.background.busy
    assert len(server.exploration.explored.designs) == told(ask(server, "state"))["known"]


def wait(server: Server) -> None:
    """Until nothing is under way; at most two minutes."""
    end = time.monotonic() + 120
    while told(ask(server, "state"))["busy"]:
        assert time.monotonic() < end
        time.sleep(0.1)


@pytest.mark.slow
def test_what_is_not_known_is_solved_in_the_background(server: Server) -> None:
    family = server.exploration.explored.families[0]
    known = len(family.designs)
    last = family.designs[-1][1]
    limits = {x: 1.7 * last.metrics[x] for x in family.limited}
    limits["noise"] = 1.7 * last.problem.budgets["noise"]
    query = urlencode({"family": 0, "limits": json.dumps(limits)})
    assert told(ask(server, f"answer?{query}"))["proven"] is False
    assert told(ask(server, "solve", {"family": 0, "limits": limits})) == {"started": True}
    wait(server)
    answer = told(ask(server, f"answer?{query}"))
    assert answer["proven"] is True
    assert told(ask(server, "state"))["known"] == known + 1
    best = codesign.solve(family.asked(limits))
    found = told(ask(server, f"design/{answer['number']}.json"))
    assert found["metrics"]["latency_s"] == best.metrics["latency_s"]
    tight = dict.fromkeys(limits, 1e-12)
    ask(server, "solve", {"family": 0, "limits": tight})
    wait(server)
    query = urlencode({"family": 0, "limits": json.dumps(tight)})
    assert told(ask(server, f"answer?{query}"))["text"] == "proven: no design keeps these limits"


@pytest.mark.slow
def test_a_solve_under_way_is_cancelled_and_its_process_is_gone(explored: Explored) -> None:
    problem = codesign.Problem(
        network=codesign.load_network("resnet152"), quality="uniform:6", budgets={"area_mm2": 6.0}
    )
    with Server(Exploration(explored, "title")) as server:
        background = server.exploration.background
        background.start(problem, lambda how, what: None)
        process = background._process
        assert process is not None
        assert background.busy
        assert background.cancel()
        assert not process.is_alive()
        assert not background.busy
        assert background.text == "cancelled"
        background.start(problem, lambda how, what: None)
        process = background._process
    assert process is not None
    assert not process.is_alive()


def made_files(folder: Path) -> None:
    """A front with its designs."""
    (folder / "network.toml").write_text(TINY)
    words = ("pareto", "network.toml", *SMALL, "--points", "3", "--out", "front.csv")
    subprocess.run([executable(), *words, "--designs", "points", "--quiet"], cwd=folder, check=True)


@posix
@pytest.mark.slow
def test_ctrl_c_ends_it_and_leaves_nothing(tmp_path: Path) -> None:
    made_files(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    # Where the tests run in the background of a shell, SIGINT is ignored unless asked for.
    heard = "import signal, sys\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
    program = f"{heard}from codesign.__main__ import main\nsys.exit(main())"
    command = [sys.executable, "-c", program, "explore", "front.csv", "--designs", "points"]
    run = subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert run.stdout is not None
    address = urlsplit(run.stdout.readline().strip())
    assert address.hostname == "127.0.0.1"
    connection = HTTPConnection("127.0.0.1", address.port or 0, timeout=30)
    connection.request("GET", f"{address.path}state")
    assert connection.getresponse().status == 200
    connection.close()
    run.send_signal(signal.SIGINT)
    out, err = run.communicate(timeout=30)
    assert (run.returncode, out, err) == (130, "", "codesign: interrupted\n")
    assert {x: x.read_bytes() for x in tmp_path.rglob("*") if x.is_file()} == before


def test_what_cannot_be_explored_is_told_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("network.toml").write_text(TINY)
    assert "this is a network" in refused(capsys, "explore", "network.toml")
    choices = codesign.Choices(rows=(2, 4), cols=(4,), weight_bits=(4,), activation_bits=(8,))
    problem = codesign.Problem(network=NETWORK, choices=choices)
    codesign.pareto(problem, ["latency", "area"], 2).save("new.csv")
    pd.read_csv("new.csv").drop(columns="problem").to_csv("front.csv", index=False)
    assert "front.csv: holds neither whole designs nor the problem" in refused(
        capsys, "explore", "front.csv"
    )
    folder = Path("points")
    codesign.pareto(problem, ["latency", "area"], 2).save_designs(folder)
    first = min(folder.iterdir())
    content = json.loads(first.read_text())
    content["layers"][0]["cycles"] += 1
    first.write_text(json.dumps(content))
    for command in ("explore", "report"):
        told = refused(capsys, command, "new.csv", "--designs", "points")
        assert "codesign check tells all" in told


def test_the_page_escapes_names(explored: Explored) -> None:
    made = Page(explore_page(explored, explored.families[0].label))
    assert "</script><b> on tsmc28" in made.text
    assert "b" not in made.tags
