"""Solving on a Dask cluster: as here, ended as surely as here, and done here while it is away."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from fakes.clusters import JOBS, DaskCluster, dask_cluster
from test_pool import MIB, eventually, job, stuck
from test_process import alive, problem

from cloudnet_sdn.pki import init_authority, issue
from cloudnet_sdn.wire.tls import TlsFiles
from mip.errors import NoTurnError, OutOfMemoryError, UnknownObjectiveError
from mip.mapping import map_request
from mip.problem.statement import Options, Status
from mip.workers.cluster import Cluster, Scheduler
from mip.workers.pool import Bounds, Pool
from mip.workers.process import awaited

SOME_S = 30
ROLE = """
import sys, time
from mip.workers.cluster import Cluster, Scheduler
from mip.workers.messages import Job
from mip.workers.pool import Bounds, Pool
cluster = Cluster(Scheduler(sys.argv[1]))
cluster.start()
while cluster.worker() is None:
    time.sleep(0.01)
Pool(Bounds(workers=1, spare=0), cluster).submit(Job("mip_jobs:stick_once", (sys.argv[2],)))
time.sleep(600)
"""


@pytest.fixture(scope="module")
def steady(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaskCluster]:
    """One for all tests that leave it as it is."""
    with dask_cluster(tmp_path_factory.mktemp("dask")) as made:
        yield made


@dataclass
class Away:
    """A pool of this machine and what it was told of a cluster."""

    pool: Pool
    cluster: Cluster
    told: list[bool] = field(default_factory=list)

    def there(self) -> bool:
        return self.cluster.worker() is not None

    def solver(self) -> int:
        """The pid of what does the next job is a child of."""
        parent: int = self.pool.submit(job("parent")).result(SOME_S)
        return parent


@pytest.fixture
def joined(tmp_path: Path, monkeypatch) -> Iterator[Callable[..., Away]]:
    """Makes pools that solve on a cluster; all leave nothing behind."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    # Where temporary files go is read once per process.
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    # Real workers, which find the tests' jobs there.
    monkeypatch.setenv("PYTHONPATH", str(JOBS))
    made: list[Away] = []

    def make(address: str, *, wait: bool = True, files=None, **bounds: float) -> Away:
        told: list[bool] = []
        scheduler = Scheduler(address, **(files or {}))
        cluster = Cluster(scheduler, told=lambda there, _: told.append(there), **bounds)
        cluster.start()
        made.append(Away(Pool(Bounds(workers=1, spare=0), cluster), cluster, told))
        assert not wait or eventually(made[-1].there)
        return made[-1]

    yield make
    for away in made:
        away.pool.close()
        away.cluster.close()
    assert list(scratch.iterdir()) == []


def test_a_mapping_is_the_same_as_here(joined, steady) -> None:
    here = map_request(problem(), Options())
    there = awaited(joined(steady.address).pool.map(problem(), Options()), Options())
    assert replace(there, seconds={}) == replace(here, seconds={})


def test_jobs_are_done_by_children_of_the_worker(joined, steady) -> None:
    """Warm ones, which are kept."""
    away = joined(steady.address)
    assert away.solver() == steady.workers[0].pid
    assert len({away.pool.submit(job("pid")).result(SOME_S) for _ in range(4)}) <= 3


def test_errors_are_the_same_as_here(joined, steady) -> None:
    with pytest.raises(UnknownObjectiveError, match="speed"):
        joined(steady.address).pool.map(problem(), Options(objective="speed")).result(SOME_S)


def test_cancelling_ends_the_solver(joined, steady, tmp_path) -> None:
    away = joined(steady.address)
    solving = away.pool.submit(job("stick", str(tmp_path / "pids")))
    pids = stuck(tmp_path / "pids")
    assert solving.cancel()
    with pytest.raises(CancelledError):
        solving.result(0)
    assert eventually(lambda: not any(alive(pid) for pid in pids))
    assert away.pool.submit(job("say", "on")).result(SOME_S) == "on"


def test_closing_ends_what_is_solved(joined, steady, tmp_path) -> None:
    away = joined(steady.address)
    solving = away.pool.submit(job("stick", str(tmp_path / "pids")))
    pids = stuck(tmp_path / "pids")
    away.pool.close()
    away.cluster.close()
    with pytest.raises(CancelledError):
        solving.result(0)
    assert eventually(lambda: not any(alive(pid) for pid in pids))


def test_a_mapping_that_overstays_is_ended(joined, steady, tmp_path) -> None:
    away = joined(steady.address)
    solving = away.pool.submit(job("stick", str(tmp_path / "pids")), limit=1.0)
    pids = stuck(tmp_path / "pids")
    assert awaited(solving, Options(time_limit=1.0), grace=0.1).status is Status.TIMEOUT
    assert eventually(lambda: not any(alive(pid) for pid in pids))


def test_the_worker_minds_the_limit_by_itself(joined, steady, tmp_path) -> None:
    """Should nobody be there any more who would cancel."""
    away = joined(steady.address, grace=0.2)
    late = job("stick_for", Options(time_limit=1.0), str(tmp_path / "pids"))
    with pytest.raises(NoTurnError):
        away.pool.submit(late).result(SOME_S)
    assert not any(alive(pid) for pid in stuck(tmp_path / "pids"))


def test_what_the_solver_takes_is_bounded(joined, steady, tmp_path) -> None:
    away = joined(steady.address, memory=300 * MIB)
    file = tmp_path / "pid"
    with pytest.raises(OutOfMemoryError, match="more than 300 MiB"):
        away.pool.submit(job("have_child_grow", 400 * MIB, str(file))).result(SOME_S)
    assert eventually(lambda: not alive(int(file.read_text())))


def test_a_scheduler_that_comes_and_goes(joined, tmp_path, caplog) -> None:
    """Jobs are done here while it is away; that is said once at each change."""
    caplog.set_level(logging.INFO, "mip.workers.cluster")
    with dask_cluster(tmp_path / "dask", workers=0) as dask:
        away = joined(dask.address, wait=False, answer_s=1.5)
        assert eventually(lambda: away.told == [False])
        assert away.solver() == os.getpid()
        dask.start_scheduler()
        worker = dask.start_worker()
        assert eventually(away.there)
        assert away.solver() == worker.pid
        solving = away.pool.submit(job("stick_once", str(tmp_path / "pids")))
        pids = stuck(tmp_path / "pids")
        dask.scheduler.kill()
        assert solving.result(SOME_S) == os.getpid()
        assert eventually(lambda: not any(alive(pid) for pid in pids))
        assert eventually(lambda: away.told == [False, True, False])
        assert away.solver() == os.getpid()
        dask.start_scheduler()
        worker = dask.start_worker()
        assert eventually(lambda: len(away.told) == 4)
        assert away.solver() == worker.pid
        assert away.told == [False, True, False, True]
        said = [r.getMessage().split()[0] for r in caplog.records if "cluster" in r.name]
        assert "lost" in said
        assert [word for word in said if word != "lost"] == ["away", "back"] * 2


def test_a_worker_that_is_killed_midway(joined, tmp_path) -> None:
    """Its solver ends with it, and the job is done once more, here; without one all is."""
    with dask_cluster(tmp_path / "dask", workers=2) as dask:
        away = joined(dask.address)
        solving = away.pool.submit(job("stick_once", str(tmp_path / "pids")))
        pids = stuck(tmp_path / "pids")
        time.sleep(1.5)  # it is known by then which worker has it
        killed = int((tmp_path / "pids.parent").read_text())
        (other,) = (w for w in dask.workers if w.pid != killed)
        next(w for w in dask.workers if w.pid == killed).kill()
        assert solving.result(SOME_S) == os.getpid()
        assert eventually(lambda: not any(alive(pid) for pid in pids))
        assert away.solver() == other.pid
        other.kill()
        assert eventually(lambda: away.told == [False])
        assert away.solver() == os.getpid()


def test_a_role_that_is_killed_leaves_no_solve(steady, tmp_path) -> None:
    path = os.pathsep.join([str(JOBS), *filter(None, sys.path)])
    role = subprocess.Popen(
        [sys.executable, "-c", ROLE, steady.address, str(tmp_path / "pids")],
        env={**os.environ, "PYTHONPATH": path, "TMPDIR": str(tmp_path)},
    )
    pids = stuck(tmp_path / "pids")
    assert (tmp_path / "pids.parent").read_text() == str(steady.workers[0].pid)
    role.kill()
    role.wait()
    assert eventually(lambda: not any(alive(pid) for pid in pids))


def test_tls(joined, tmp_path) -> None:
    """With certificates as `cloudnet pki` makes them; those of other authorities are none."""
    files = []
    for name in ("dask", "foreign"):
        init_authority(tmp_path / name, name)
        issued = issue(tmp_path / name, "cloudnet:role:berlin", out=tmp_path / name / "berlin")
        files.append({"ca": tmp_path / "dask/ca.pem", "cert": issued.cert, "key": issued.key})
    ours, foreign = files
    with dask_cluster(tmp_path / "cluster", TlsFiles(**ours)) as dask:
        assert dask.address.startswith("tls://")
        stranger = joined(dask.address, wait=False, files=foreign, answer_s=1.0)
        assert joined(dask.address, files=ours).solver() == dask.workers[0].pid
        assert eventually(lambda: stranger.told == [False])
        assert stranger.solver() == os.getpid()
