"""A real Dask cluster of two worker processes, one of which is killed."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from command_line import TINY as TINY_TOML
from dask import config
from distributed import Client, LocalCluster
from study_work import SMALL, TINY, areas, deadly, grid, made_up

from codesign.cli.app import main
from codesign.errors import CodesignError, SpecError
from codesign.study import Serial, Study, Tally, results
from codesign.study.executors import dask, slots

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # of a cluster that is taken down
]


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalCluster]:
    how: dict[str, Any] = {"dashboard_address": ":0", "silence_logs": 50}
    with (
        config.set({"distributed.scheduler.allowed-failures": 1}),
        LocalCluster(n_workers=2, threads_per_worker=1, processes=True, **how) as made,
    ):
        yield made


@pytest.fixture
def client(cluster: LocalCluster) -> Iterator[Client]:
    with Client(cluster) as made:
        made.wait_for_workers(2, timeout=60)
        yield made


@pytest.mark.long
@pytest.mark.alone
def test_a_worker_killed_in_the_middle_costs_nothing(client: Client, path: Path) -> None:
    pids: list[int] = [*client.run(os.getpid).values()]
    assert len({*pids, os.getpid()}) == 3

    def kill_one(tally: Tally) -> None:
        if tally.here >= 5 and len(pids) == 2:
            os.kill(pids.pop(), getattr(signal, "SIGKILL", signal.SIGTERM))

    study = Study.grid(networks=[TINY], max_area_mm2=areas(20), **SMALL)
    executor = client.get_executor(pure=False)
    assert slots(executor) == 2
    tally = study.run(path, executor=executor, on_progress=kill_one)
    assert len(pids) == 1  # it was killed
    assert (tally.done, tally.here, tally.answered) == (20, 20, 20)
    alone = path.with_name("alone.sqlite")
    study.run(alone, executor=Serial())
    found, same = (results(store).drop(columns="seconds") for store in (path, alone))
    assert found.equals(same)
    assert study.run(path, executor=executor, resume=True).here == 0


@pytest.mark.long
@pytest.mark.alone
def test_a_cell_that_kills_its_workers_is_a_row(client: Client, path: Path) -> None:
    tally = grid(4).run(path, executor=client.get_executor(pure=False), work=deadly)
    assert tally.counts == {"waiting": 0, "optimal": 3, "lost": 1}
    (error,) = results(path)["error"].dropna()
    assert error.startswith("KilledWorker: ")
    again = grid(4).run(path, executor=client.get_executor(), resume=True, work=made_up)
    assert (again.here, again.answered) == (1, 4)


@pytest.mark.alone
@pytest.mark.smoke
def test_the_command_line_finds_the_cluster(
    cluster: LocalCluster,
    client: Client,
    path: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    # What Dask's own write_scheduler_file writes; that fails where a worker has metrics of pairs.
    address = {"address": client.scheduler_info()["address"]}
    (tmp_path / "scheduler.json").write_text(json.dumps(address))
    (tmp_path / "tiny.toml").write_text(TINY_TOML)
    file = tmp_path / "grid.toml"
    file.write_text('[grid]\nnetworks = "tiny.toml"\nrows = "1,2"\ncols = "1,2"\nbits = "4,6,8"\n')
    for where in (cluster.scheduler_address, str(tmp_path / "scheduler.json")):
        words = ["study", "run", str(file), "--store", str(path), "--resume", "--quiet"]
        assert main([*words, "--dask", where]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("1 cell: 1 optimal; 1 in this run")
    assert err == ""


def test_a_cluster_taken_down_costs_nothing_finished(path: Path) -> None:
    how: dict[str, Any] = {"dashboard_address": ":0", "silence_logs": 50, "processes": False}
    with LocalCluster(n_workers=1, threads_per_worker=1, **how) as short, Client(short) as client:

        def take_down(tally: Tally) -> None:
            if tally.here >= 3 and client.status == "running":
                client.close()

        with pytest.raises(CodesignError, match="cells are finished, resume continues"):
            grid(20).run(path, executor=client.get_executor(), work=made_up, on_progress=take_down)
    known = results(path)["status"].value_counts()
    assert known["optimal"] >= 3
    assert grid(20).run(path, executor=Serial(), resume=True, work=made_up).answered == 20


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("nowhere", "--dask nowhere: missing port number"),
        ("odd://there:1", "--dask odd://there:1: unknown address scheme 'odd'"),
        ("tcp://127.0.0.1:1", "--dask tcp://127.0.0.1:1: Timed out"),
        ("none.json", "none.json: cannot be read"),
        ("bad.json", "bad.json: not a scheduler file"),
    ],
)
def test_an_address_that_is_none(
    address: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("codesign.study.executors.CONNECT_S", 0.3)
    Path("bad.json").write_text("[]")
    with pytest.raises(SpecError) as raised, dask(address):
        pass
    assert str(raised.value).startswith(told)


def test_without_dask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    told = r"pip install 'codesign\[dask\]'"
    with pytest.raises(SpecError, match=told), dask("tcp://127.0.0.1:1"):
        pass
