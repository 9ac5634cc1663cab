"""Warm workers: kept, replaced, bounded, in turn, and never left behind."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from pathlib import Path

import pytest
from test_process import alive, problem

from mip.errors import (
    NoTurnError,
    OutOfMemoryError,
    SendingError,
    SolverError,
    UnknownObjectiveError,
)
from mip.problem.statement import Options, Result, Status
from mip.workers.messages import Answer, Job
from mip.workers.pool import Bounds, Elsewhere, Pool
from mip.workers.process import awaited

SOME_S = 30
MIB = 1 << 20
HERE = Path(__file__).parent


def job(name: str, *arguments: object) -> Job:
    return Job(f"mip_jobs:{name}", arguments)


def eventually(true: Callable[[], object]) -> bool:
    deadline = time.monotonic() + SOME_S
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def stuck(file: Path) -> tuple[int, int]:
    """The pids of a worker that is stuck for good, and of what it started."""
    assert eventually(file.exists)
    worker, child = file.read_text().split()
    return int(worker), int(child)


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch) -> Path:
    """Where workers' folders are, and their jobs found."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    # Where temporary files go is read once per process.
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    monkeypatch.setenv("PYTHONPATH", str(HERE))
    return folder


@pytest.fixture
def pools(scratch: Path) -> Iterator[Callable[..., Pool]]:
    """Makes pools; all leave nothing behind."""
    made: list[Pool] = []

    def make(elsewhere: Elsewhere | None = None, **bounds: int) -> Pool:
        made.append(Pool(Bounds(**{"workers": 1, **bounds}), elsewhere))
        return made[-1]

    yield make
    pids = {pid for pool in made for pid in pool.pids()}
    for pool in made:
        pool.close()
    assert not [pid for pid in pids if alive(pid)]
    assert list(scratch.iterdir()) == []


def test_one_worker_does_one_job_after_another(pools) -> None:
    pool = pools(spare=0)
    assert len({pool.submit(job("pid")).result(SOME_S) for _ in range(5)}) == 1


def test_a_mapping_comes_back(pools) -> None:
    result = awaited(pools().map(problem()), Options())
    assert (result.status, result.value) == (Status.OPTIMAL, 20)


def test_workers_have_imported_what_a_mapping_needs(pools) -> None:
    """Before their first job: it brings nothing of that along."""
    there = pools().submit(job("modules")).result(SOME_S)
    assert {"mip.mapping", "numpy", "pulp"} <= set(there)


def test_progress_is_told(pools) -> None:
    told: list[tuple[float | None, float | None]] = []
    solving = pools().submit(job("tell"), lambda *seen: told.append(seen))
    assert solving.result(SOME_S) == "done"
    assert told == [(7.0, 3.0)]


def test_an_error_comes_back_and_the_worker_goes_on(pools) -> None:
    pool = pools(spare=0)
    before = pool.submit(job("pid")).result(SOME_S)
    with pytest.raises(UnknownObjectiveError, match="speed"):
        pool.submit(job("object_to")).result(SOME_S)
    assert pool.submit(job("pid")).result(SOME_S) == before


def test_an_error_that_cannot_be_sent_is_told_in_words(pools) -> None:
    pool = pools()
    with pytest.raises(SendingError, match="Strange: very"):
        pool.submit(job("break_down")).result(SOME_S)
    assert pool.submit(job("say", "on")).result(SOME_S) == "on"


def test_a_job_nobody_can_do_is_told(pools) -> None:
    pool = pools()
    with pytest.raises(ModuleNotFoundError):
        pool.submit(Job("no.such:thing", ())).result(SOME_S)
    assert pool.submit(job("say", "on")).result(SOME_S) == "on"


def test_a_worker_is_replaced_after_so_many_jobs(pools) -> None:
    pool = pools(spare=0, jobs=2)
    pids = [pool.submit(job("pid")).result(SOME_S) for _ in range(6)]
    assert pids[0] == pids[1] != pids[2] == pids[3] != pids[4] == pids[5]
    assert eventually(lambda: not alive(pids[0]))


def test_a_worker_that_has_grown_is_replaced(pools) -> None:
    pool = pools(spare=0, grown=150 * MIB)
    pids = [pool.submit(job("grow", size * MIB, True)).result(SOME_S) for size in (1, 200, 1)]
    assert pids[0] == pids[1] != pids[2]
    assert eventually(lambda: not alive(pids[0]))


def test_a_worker_that_takes_too_much_memory_is_ended(pools) -> None:
    pool = pools(memory=200 * MIB)
    with pytest.raises(SolverError, match="more than 200 MiB"):
        pool.submit(job("grow", 300 * MIB, False)).result(SOME_S)
    assert pool.submit(job("say", "on")).result(SOME_S) == "on"


def test_what_the_solvers_process_takes_counts(pools, tmp_path) -> None:
    """And it is ended with the worker."""
    pool = pools(memory=300 * MIB)
    file = tmp_path / "pid"
    with pytest.raises(OutOfMemoryError, match="more than 300 MiB"):
        pool.submit(job("have_child_grow", 400 * MIB, str(file))).result(SOME_S)
    assert eventually(lambda: not alive(int(file.read_text())))
    assert pool.submit(job("say", "on")).result(SOME_S) == "on"


def test_a_worker_that_dies_is_replaced(pools) -> None:
    pool = pools(spare=0)
    with pytest.raises(SolverError, match="without an answer"):
        pool.submit(job("die")).result(SOME_S)
    assert pool.submit(job("say", "on")).result(SOME_S) == "on"


def test_an_idle_worker_that_dies_is_replaced(pools) -> None:
    pool = pools(spare=1)
    assert eventually(lambda: len(pool.pids()) == 2)
    gone = pool.pids()
    for pid in gone:
        os.kill(pid, 9)
    assert [pool.submit(job("say", n)).result(SOME_S) for n in range(3)] == [0, 1, 2]
    assert not pool.pids() & gone


def test_cancel_ends_the_worker_and_what_it_started(pools, tmp_path, scratch) -> None:
    """And the next job finds another worker."""
    pool = pools(spare=0)
    solving = pool.submit(job("stick", str(tmp_path / "pids")))
    worker, child = stuck(tmp_path / "pids")
    assert solving.cancel()
    assert not solving.cancel()
    with pytest.raises(CancelledError):
        solving.result(0)
    assert eventually(lambda: not alive(worker) and not alive(child))
    assert pool.submit(job("pid")).result(SOME_S) != worker
    assert eventually(lambda: len(list(scratch.iterdir())) == 1)


def test_a_mapping_that_overstays_is_ended(pools, tmp_path) -> None:
    pool = pools()
    solving = pool.submit(job("stick", str(tmp_path / "pids")), limit=1.0)
    worker, child = stuck(tmp_path / "pids")
    result = awaited(solving, Options(time_limit=1.0), grace=0.1)
    assert result.status is Status.TIMEOUT
    assert eventually(lambda: not alive(worker) and not alive(child))


def test_jobs_are_done_in_the_order_they_came(pools, tmp_path) -> None:
    pool = pools()
    done, go = tmp_path / "done", tmp_path / "go"
    first = pool.submit(job("wait_for", str(go)))
    names = [f"job{n}" for n in range(8)]
    waiting = []
    for name in names:
        waiting.append(pool.submit(job("note", str(done), name)))
        time.sleep(0.02)  # each is in the queue before the next
    go.touch()
    for solving in (first, *waiting):
        solving.result(SOME_S)
    assert done.read_text().split() == names


def test_no_more_jobs_run_at_a_time_than_there_are_workers(pools, tmp_path) -> None:
    pool = pools(workers=2, spare=2)
    go = tmp_path / "go"
    running = [pool.submit(job("wait_for", str(go))) for _ in range(2)]
    time.sleep(0.1)  # they have their workers before the third asks
    third = pool.submit(job("say", "third"), limit=0.5)
    with pytest.raises(NoTurnError):
        third.result(SOME_S)
    go.touch()
    assert len({solving.result(SOME_S) for solving in running}) == 2


def test_who_waits_can_be_cancelled_and_no_worker_ends_for_it(pools, tmp_path) -> None:
    pool = pools(spare=0)
    go = tmp_path / "go"
    running = pool.submit(job("wait_for", str(go)))
    time.sleep(0.1)
    waiting, after = pool.submit(job("pid")), pool.submit(job("pid"))
    assert waiting.cancel()
    with pytest.raises(CancelledError):
        waiting.result(0)
    go.touch()
    assert after.result(SOME_S) == running.result(SOME_S)


def test_time_in_the_queue_counts_against_the_limit(pools, tmp_path) -> None:
    """What is left of it is what the job gets; where nothing is, it isn't begun."""
    pool = pools()
    go = tmp_path / "go"
    running = pool.submit(job("wait_for", str(go)))
    time.sleep(0.1)
    left = pool.submit(lambda waited: job("say", waited), limit=SOME_S)
    late = pool.map(problem(), Options(time_limit=0.2))  # asked after it: waits no longer
    assert awaited(late, Options(time_limit=0.2)).status is Status.TIMEOUT
    go.touch()
    running.result(SOME_S)
    assert left.result(SOME_S) >= 0.2


def test_closing_cancels_all_and_leaves_nothing(pools, tmp_path, scratch) -> None:
    pool = pools()
    running = pool.submit(job("stick", str(tmp_path / "pids")))
    pids = stuck(tmp_path / "pids")
    waiting = pool.submit(job("pid"))
    pool.close()
    pool.close()
    for solving in (running, waiting):
        with pytest.raises(CancelledError):
            solving.result(0)
    assert eventually(lambda: not [pid for pid in pids if alive(pid)])
    assert list(scratch.iterdir()) == []
    with pytest.raises(CancelledError):
        pool.submit(job("pid"))


class There:
    """Another place to do jobs at, whose every answer is the same."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer

    def worker(self) -> There:
        return self

    def do(self, job: bytes, progress: object = None, memory: int = 0) -> Answer:
        return self.answer

    def kill(self) -> None:
        """It has answered already."""


def mapped(host: str) -> Result:
    """Both VNodes of the problem on one host, and no VLink anywhere."""
    return Result(Status.OPTIMAL, "cost", 0.0, nodes={"a": host, "b": host})


@pytest.mark.parametrize(
    "answer",
    [
        Answer("value", mapped("h1")),
        Answer("value", "no result"),
        Answer("error", SolverError("it died")),
        Answer("error", SendingError("another release")),
        Answer("error", TypeError("another release")),
    ],
)
def test_what_went_wrong_elsewhere_is_done_here(pools, answer) -> None:
    result = awaited(pools(elsewhere=There(answer)).map(problem()), Options())
    assert (result.status, result.value) == (Status.OPTIMAL, 20)


def test_what_is_known_elsewhere_is_not_done_again(pools) -> None:
    pool = pools(elsewhere=There(Answer("error", OutOfMemoryError("too much"))))
    with pytest.raises(OutOfMemoryError, match="too much"):
        pool.map(problem()).result(SOME_S)
    pool = pools(elsewhere=There(Answer("value", Result(Status.INFEASIBLE, "cost"))))
    assert awaited(pool.map(problem()), Options()).status is Status.INFEASIBLE


PARENT = """
import sys, time
from mip.workers.messages import Job
from mip.workers.pool import Bounds, Pool
pool = Pool(Bounds(workers=2, spare=2))
if sys.argv[1:]:
    pool.submit(Job("mip_jobs:stick", (sys.argv[1],)))
while len(pool.pids()) < 4:
    time.sleep(0.01)
print(*pool.pids(), flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("busy", [False, True])
def test_workers_whose_parent_is_killed_leave_nothing(tmp_path, scratch, busy) -> None:
    """Neither those that are just starting, nor busy ones and what they started."""
    path = os.pathsep.join([str(HERE), *filter(None, sys.path)])
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, *([str(tmp_path / "pids")] if busy else [])],
        env={**os.environ, "PYTHONPATH": path, "TMPDIR": str(scratch)},
        stdout=subprocess.PIPE,
    )
    assert parent.stdout is not None
    pids = {int(pid) for pid in parent.stdout.readline().split()}
    assert len(pids) == 4
    if busy:
        pids |= set(stuck(tmp_path / "pids"))
    parent.kill()
    parent.communicate()
    assert eventually(lambda: not any(alive(pid) for pid in pids))
    assert list(scratch.iterdir()) == []
