"""Solving in a process of its own, and reading a state directory."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import time
from concurrent.futures import CancelledError
from pathlib import Path
from types import MappingProxyType

import pytest
from mip_graphs import ETHERNET, GENERIC, HOST, MBPS, SWITCH, VLINK, apart, element, join, underlay

from mip.errors import SendingError, StateError, UnknownObjectiveError
from mip.problem.state import read_state
from mip.problem.statement import Options, Problem, Status, Weights
from mip.workers.process import Job, Solving, map_in_process, start_mapping

SOME_S = 30


PARENT = """
import time
from mip.workers.process import Job, Solving
print(Solving(Job("slow_job:wait", (60,)))._process.pid, flush=True)
time.sleep(60)
"""
SLOW = "import time\n\ndef wait(seconds, progress):\n    time.sleep(seconds)\n"


def problem() -> Problem:
    elements = [element(f"h{k}", HOST, {"cpu": 2}) for k in range(3)] + [element("s", SWITCH)]
    ends = {f"l{k}": (f"h{k}", "s") for k in range(3)}
    elements += [element(n, ETHERNET, {"bandwidth": 100 * MBPS}) for n in ends]
    vnodes = [element("a", GENERIC, {"cpu": 1}), element("b", GENERIC, {"cpu": 1})]
    vlink = element("ab", VLINK, {"bandwidth": 10 * MBPS})
    request = join("net", [*vnodes, vlink], {"ab": ("a", "b")}, [apart("a", "b")])
    return Problem(underlay(elements, ends), request)


def test_result_comes_back() -> None:
    """As from `map_request`, also of graphs with read-only mappings."""
    asked = problem()
    elements = MappingProxyType(dict(asked.substrate.elements))
    frozen = type(asked.substrate)(
        "ul", asked.substrate.layer, elements, asked.substrate.connections
    )
    result = start_mapping(Problem(frozen, asked.request)).result(SOME_S)
    assert result.status is Status.OPTIMAL
    assert result.value == 20


def test_errors_come_back() -> None:
    """The same class as in this process."""
    solving = start_mapping(problem(), Options(objective="speed"))
    with pytest.raises(UnknownObjectiveError, match="speed"):
        solving.result(SOME_S)


OWN = """
from mip.objectives import Weights


class Prices:
    name = "prices"

    def __init__(self, price):
        self.price = price

    def weights(self, problem):
        if self.price < 0:
            raise Odd("a price", self.price)
        return Weights(place=lambda vnode, host: self.price)


class Odd(Exception):
    def __init__(self, what, price):
        super().__init__(f"{what} of {price}")
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch):
    """A module with an objective, on the path here and in workers."""
    (tmp_path / "own_objective.py").write_text(OWN)
    monkeypatch.syspath_prepend(str(tmp_path))
    # A real worker finds the test's module there.
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    yield importlib.import_module("own_objective")
    sys.modules.pop("own_objective", None)


def test_an_objective_of_one_s_own_goes_along(own) -> None:
    """With what it was made with."""
    result = map_in_process(problem(), Options(objective=own.Prices(4)))
    assert (result.value, result.objective) == (8, "prices")


def test_a_timeout_has_the_name_of_an_objective_of_one_s_own(own) -> None:
    """As with a name."""
    options = Options(objective=own.Prices(4), time_limit=0.01)
    assert map_in_process(problem(), options, grace=0.0).objective == "prices"


def test_an_error_that_can_t_be_pickled_comes_back_as_text(own) -> None:
    """A third party's may take other arguments than it hands on."""
    with pytest.raises(SendingError, match="Odd: a price of -1"):
        map_in_process(problem(), Options(objective=own.Prices(-1)))


def test_what_can_t_be_sent_is_said_at_once() -> None:
    """An objective of a function, say, before any process is started."""

    class Local:
        name = "local"

        def weights(self, problem: Problem) -> Weights:
            return Weights()

    with pytest.raises(SendingError, match="Local"):
        start_mapping(problem(), Options(objective=Local()))


def test_what_the_worker_can_t_find_is_said(own, monkeypatch) -> None:
    """A module that is on the path here alone."""
    monkeypatch.delenv("PYTHONPATH")
    with pytest.raises(SendingError, match="own_objective"):
        map_in_process(problem(), Options(objective=own.Prices(1)))


def test_cancel_ends_the_worker_and_leaves_nothing(tmp_path: Path, monkeypatch) -> None:
    """Within a moment, whatever it is doing."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    (tmp_path / "slow_job.py").write_text(SLOW)
    # Where temporary files go is read once per process.
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    solving = Solving(Job("slow_job:wait", (SOME_S,)))
    time.sleep(0.2)
    assert not solving.done()
    began = time.monotonic()
    assert solving.cancel()
    assert time.monotonic() - began < 5
    assert solving.cancelled()
    assert not solving.cancel()
    with pytest.raises(CancelledError):
        solving.result(0)
    assert list(scratch.iterdir()) == []


def test_a_worker_whose_parent_is_killed_leaves_nothing(tmp_path: Path) -> None:
    """Neither itself nor its folder."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    (tmp_path / "slow_job.py").write_text(SLOW)
    path = os.pathsep.join([str(tmp_path), *filter(None, sys.path)])
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT],
        env={**os.environ, "PYTHONPATH": path, "TMPDIR": str(scratch)},
        stdout=subprocess.PIPE,
    )
    assert parent.stdout is not None
    worker = Path("/proc") / parent.stdout.readline().decode().strip()
    time.sleep(1)  # it has its job by then
    assert list(scratch.iterdir())
    parent.kill()
    parent.communicate()
    deadline = time.monotonic() + SOME_S
    while (list(scratch.iterdir()) or _runs(worker)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert list(scratch.iterdir()) == []
    assert not _runs(worker)


def _runs(process: Path) -> bool:
    try:
        return bool((process / "cmdline").read_bytes())
    except FileNotFoundError:
        return False


def test_a_solver_that_minds_no_limit_is_ended() -> None:
    """Some time after it, and the result says so."""
    result = map_in_process(problem(), Options(time_limit=0.01), grace=0.0)
    assert (result.status, result.nodes) == (Status.TIMEOUT, {})


STUCK = """
import subprocess
import sys
import time
from pathlib import Path


def wait(file, progress):
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    Path(file + ".new").write_text(str(child.pid))
    Path(file + ".new").rename(file)
    while True:
        time.sleep(1)
"""


def test_what_an_ended_worker_had_started_ends_with_it(tmp_path: Path, monkeypatch) -> None:
    """As the solver, which is a process of its own."""
    (tmp_path / "stuck_job.py").write_text(STUCK)
    # A real worker finds the test's module there.
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    child = tmp_path / "child"
    job = Job("stuck_job:wait", (str(child),))
    # A real process whose job never ends: no problem makes a solver hang for certain.
    monkeypatch.setattr("mip.workers.process.start_mapping", lambda *_: Solving(job))
    result = map_in_process(problem(), Options(time_limit=1.0), grace=4.0)
    assert result.status is Status.TIMEOUT
    pid = int(child.read_text())
    for _ in range(100):
        if not alive(pid):
            break
        time.sleep(0.05)
    assert not alive(pid)


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and waits for its parent doesn't."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state not in {"Z", "X"}


def test_callback_is_called_once_done() -> None:
    """Also when it is done already."""
    seen: list[bool] = []
    solving = start_mapping(problem())
    solving.add_done_callback(lambda s: seen.append(s.done()))
    solving.result(SOME_S)
    solving.add_done_callback(lambda s: seen.append(s.done()))
    for _ in range(100):
        if len(seen) == 2:
            break
        time.sleep(0.05)
    assert seen == [True, True]


OVERLAY = """\
rdl: 1
graph: shop
nodes: {web: {cpu: 1}}
"""
MAPPING = """\
rdl: 1
graph: shop
layer: mapping
underlay: berlin
mapping:
  web: {on: [h0]}
"""


def test_state_reads_pairs(tmp_path: Path) -> None:
    """In order of names; other files are no concern."""
    (tmp_path / "shop.overlay.yaml").write_text(OVERLAY)
    (tmp_path / "shop.mapping.yaml").write_text(MAPPING)
    (tmp_path / "notes.txt").write_text("hello")
    (one,) = read_state(tmp_path)
    assert one.overlay.name == "shop"
    assert one.mapping.mapping["web"].on == ("h0",)


def test_state_says_what_is_missing(tmp_path: Path) -> None:
    """Half a pair is an error, as is no directory."""
    (tmp_path / "shop.overlay.yaml").write_text(OVERLAY)
    with pytest.raises(StateError, match=r"shop\.mapping\.yaml: missing"):
        read_state(tmp_path)
    with pytest.raises(StateError, match="not a directory"):
        read_state(tmp_path / "none")
