"""The solver of a role: warm workers; who doesn't want a solve any more ends it."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from fakes.clusters import dask_cluster
from fakes.world import OPERATOR, PAIR, SPLIT, DirectMapper, provider, request

from cloudnet_sdn.model.settings import SolverSettings
from cloudnet_sdn.model.states import OfferState
from cloudnet_sdn.ports import OfferId, Refused
from cloudnet_sdn.roles.mapping.solving import PoolMapper
from cloudnet_sdn.store import offers
from mip.problem.statement import Options, Problem, Status
from mip.workers.messages import Job
from rdl.language.load import load_graph

JOBS = Path(__file__).parents[1] / "mip"
SOME_S = 30
PROBLEM = Problem(load_graph("rdl: 1\ngraph: ul\nlayer: underlay\n"), load_graph(PAIR))


@pytest.fixture
def solver():
    made = PoolMapper(SolverSettings(workers=1, memory_mib=1024))
    yield made
    made.close()


@pytest.fixture
def stuck(monkeypatch, tmp_path):
    """Every solve goes on for ever: no problem makes a solver do so for certain."""
    file = tmp_path / "pids"
    # A real worker, whose job comes from the tests.
    monkeypatch.setenv("PYTHONPATH", str(JOBS))
    monkeypatch.setattr(
        "mip.workers.pool.mapping_job", lambda *_: Job("mip_jobs:stick", (str(file),))
    )
    return file


def eventually(true):
    deadline = time.monotonic() + SOME_S
    while not true() and time.monotonic() < deadline:
        time.sleep(0.02)
    return true()


def running(pid):
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):  # gone, or going while it is looked at
        return False
    return state not in {"Z", "X"}


@pytest.fixture
def greedy(monkeypatch, tmp_path):
    """Every solve starts a solver that takes 600 MiB."""
    file = tmp_path / "pid"
    # A real worker, whose job comes from the tests.
    monkeypatch.setenv("PYTHONPATH", str(JOBS))
    asked = Job("mip_jobs:have_child_grow", (600 << 20, str(file)))
    monkeypatch.setattr("mip.workers.pool.mapping_job", lambda *_: asked)
    return file


def restart_with(machine, mapper):
    machine.kill()
    machine.mapper = mapper
    machine.boot()


def test_it_solves(solver):
    assert solver.map(PROBLEM, Options()).status is Status.INFEASIBLE


def test_what_was_interrupted_before_it_solves_is_not_solved(solver, stuck):
    offer = OfferId("o1")
    with solver.attending(offer):
        solver.interrupt(offer)
        with pytest.raises(Refused):
            solver.map_for(offer, PROBLEM, Options())
    assert not stuck.exists()


def test_interrupting_what_nobody_works_on_is_forgotten(solver):
    offer = OfferId("o1")
    solver.interrupt(offer)
    with solver.attending(offer):
        assert solver.map_for(offer, PROBLEM, Options()).status is Status.INFEASIBLE


@pytest.mark.parametrize("end", ["cancel", "release"])
def test_giving_up_a_request_ends_its_solve(pip, solver, stuck, end):
    """With all that the solver started; the next request finds the place free."""
    restart_with(pip, solver)
    offer = request(pip, PAIR, wait_s=0.0)
    assert offer["state"] == "working"
    assert eventually(stuck.exists)
    pids = stuck.read_text().split()
    if end == "cancel":
        assert pip.call("negotiation.cancel", offer["offer"])["state"] == "cancelled"
    else:
        pip.call("negotiation.release", offer["cloudnet"])
    assert eventually(lambda: not any(running(pid) for pid in pids))
    assert pip.call("negotiation.offer", offer["offer"])["state"] == "cancelled"
    pip.settle()
    assert pip.site.empty()


@pytest.mark.parametrize("end", ["cancel", "release"])
def test_giving_up_at_a_broker_ends_the_solve_of_its_provider(federation, solver, stuck, end):
    """Although the broker's own call still waits for it; nobody keeps anything."""
    federation.berlin.mapper = solver
    federation.restart("berlin")
    offer = request(federation.vnp, SPLIT, wait_s=0.0)
    assert eventually(stuck.exists)
    pids = stuck.read_text().split()
    if end == "cancel":
        federation.vnp.call("negotiation.cancel", offer["offer"])
    else:
        federation.vnp.call("negotiation.release", offer["cloudnet"])
    assert eventually(lambda: not any(running(pid) for pid in pids))
    with federation.berlin.role.store.read() as conn:
        assert offers.in_state(conn, OfferState.CANCELLED)
    federation.settle()
    assert federation.empty()


def test_a_solve_that_takes_too_much_memory_is_a_refusal_that_says_so(pip, greedy):
    """No failure for which nobody gives a reason; the solver has gone, and nothing is kept."""
    solver = PoolMapper(SolverSettings(workers=1, memory_mib=300))
    try:
        restart_with(pip, solver)
        offer = request(pip, PAIR, wait_s=SOME_S)
        assert offer["state"] == "refused"
        (reason,) = offer["reasons"]
        assert reason["code"] == "timeout"
        assert "300 MiB" in reason["text"]
        assert eventually(lambda: not running(int(greedy.read_text())))
        pip.settle()
        assert pip.site.empty()
    finally:
        solver.close()


def test_a_solve_cut_short_by_the_end_of_the_role_is_for_the_next_one(pip, solver, stuck):
    """The offer is neither refused nor lost: a role that starts anew ends it as failed."""
    restart_with(pip, solver)
    offer = request(pip, PAIR, wait_s=0.0)
    assert eventually(stuck.exists)
    solver.close()
    with pip.role.store.read() as conn:
        assert offers.get(conn, offer["offer"]).state is OfferState.WORKING
    restart_with(pip, DirectMapper())
    assert pip.call("negotiation.offer", offer["offer"])["state"] == "failed"


def parent(pid):
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def test_requests_are_mapped_on_a_cluster_and_here_while_it_is_away(tmp_path, clock, monkeypatch):
    """Operators are told which; a request that is given up ends its solve there."""
    with dask_cluster(tmp_path / "dask", workers=0) as dask:
        settings = {"solving": {"scheduler": dask.address}}
        pip = provider(tmp_path, "berlin", "munich", "b", clock, settings=settings)

        def told():
            found = pip.call("operator.events", 0, 0.0, caller=OPERATOR)["events"]
            return [e["event"] for e in found if e["element"] == "solving.scheduler"]

        try:
            restart_with(pip, None)
            held = request(pip, PAIR, wait_s=SOME_S)
            assert held["state"] == "held"
            pip.call("negotiation.cancel", held["offer"])
            assert eventually(told)
            dask.start_scheduler()
            dask.start_worker()
            assert eventually(lambda: len(told()) == 2)
            assert told() == ["away", "back"]
            pids = tmp_path / "pids"
            # As in `stuck`; the cluster's workers find the job by themselves.
            asked = Job("mip_jobs:stick", (str(pids),))
            monkeypatch.setattr("mip.workers.pool.mapping_job", lambda *_: asked)
            offer = request(pip, PAIR, "r2", wait_s=0.0)
            assert eventually(pids.exists)
            worker, child = pids.read_text().split()
            assert parent(worker) == dask.workers[0].pid
            assert pip.call("negotiation.cancel", offer["offer"])["state"] == "cancelled"
            assert eventually(lambda: not running(worker) and not running(child))
            pip.settle()
            assert pip.site.empty()
        finally:
            pip.stop()
