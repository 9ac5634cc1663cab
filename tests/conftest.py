"""What all tests share: missing tools, Open vSwitch, hypothesis, a clean environment."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest
from fakes import databases, world

OVS_CTL = "/usr/share/openvswitch/scripts/ovs-ctl"
SBIN = ("/usr/local/sbin", "/usr/sbin", "/sbin")
TOOLS = ("ovs-vsctl", "ovs-ofctl", "ip", "tc", "ethtool")
MARKED = {"ovs": ["open_vswitch"], "mininet": ["open_vswitch", "real_mininet"]}
"""What a test gets by its marker alone."""
OF_THE_USER = ("AT", "CA", "CERT", "KEY", "PROFILE", "TRACEBACK")

# Time is no outcome, and on CI a run must not depend on luck: `make fuzz` is where luck is sought.
hypothesis.settings.register_profile(
    "shared-machine",
    deadline=None,
    derandomize=os.environ.get("CI") == "true",
    print_blob=True,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("shared-machine")


def lacks(what: str) -> None:
    """End the test because the machine lacks something: a failure on CI, else a skip."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{what} (CI has to have it)", pytrace=False)
    pytest.skip(what)


def pytest_configure(config: pytest.Config) -> None:
    """Root's programs are found, the developer's own settings are not."""
    del config
    path = os.environ.get("PATH", os.defpath).split(os.pathsep)
    os.environ["PATH"] = os.pathsep.join([*path, *(p for p in SBIN if p not in path)])
    for name in ("NO_COLOR", *(f"CLOUDNET_{name}" for name in OF_THE_USER)):
        os.environ.pop(name, None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give the tests marked `ovs` or `mininet` what the marker promises."""
    for item in items:
        for mark, fixtures in MARKED.items():
            if isinstance(item, pytest.Function) and item.get_closest_marker(mark):
                item.fixturenames[:0] = [f for f in fixtures if f not in item.fixturenames]


@pytest.fixture(scope="session")
def need() -> Callable[[str], str]:
    """`need("openvpn")`: its path; without it the test fails on CI and is skipped elsewhere."""

    def find(tool: str) -> str:
        found = shutil.which(tool)
        if found is None:
            lacks(f"{tool} is not installed; see scripts/set-up")
        return str(found)

    return find


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--store`: what the roles under test keep their state in."""
    parser.addoption("--store", choices=databases.KINDS, default="sqlite", help="default: sqlite")


@pytest.fixture(scope="session")
def database_server(request: pytest.FixtureRequest) -> Iterator[databases.Databases]:
    """Where databases come from; a server is started where `--store` names one."""
    try:
        with databases.serving(request.config.getoption("--store")) as found:
            world.databases = found
            yield found
    except LookupError as exc:
        lacks(str(exc))


@pytest.fixture(scope="session")
def shared_server(
    request: pytest.FixtureRequest, database_server: databases.Databases
) -> Iterator[databases.Databases]:
    """A server of databases that several processes may use: PostgreSQL where `--store` has none."""
    if request.config.getoption("--store") != "sqlite":
        yield database_server
        return
    try:
        with databases.serving("postgresql") as found:
            yield found
    except LookupError as exc:
        lacks(str(exc))


@pytest.fixture
def stores(database_server: databases.Databases) -> Iterator[databases.Databases]:
    """As `database_server`; what a test was given ends with it."""
    yield database_server
    database_server.forget()


@pytest.fixture
def memory_folder() -> Iterator[Path]:
    """As `tmp_path`, where a store is written to without waiting for a disk."""
    with tempfile.TemporaryDirectory(dir=databases.memory()) as folder:
        yield Path(folder)


def ovs_runs() -> bool:
    """Whether Open vSwitch answers."""
    return (
        subprocess.run(
            ["ovs-vsctl", "--timeout=5", "show"], capture_output=True, check=False
        ).returncode
        == 0
    )


@pytest.fixture(scope="session")
def open_vswitch(need: Callable[[str], str]) -> Iterator[None]:
    """Open vSwitch runs; what we started is stopped again once nobody has a bridge left."""
    if os.geteuid() != 0:
        lacks("Open vSwitch needs root")
    for tool in TOOLS:
        need(tool)
    if ovs_runs():
        yield
        return
    started = subprocess.run(
        [OVS_CTL, "start", "--system-id=random"], capture_output=True, text=True, check=False
    )
    if not ovs_runs():
        pytest.fail(f"Open vSwitch doesn't start: {started.stdout}{started.stderr}", pytrace=False)
    yield
    bridges = subprocess.run(
        ["ovs-vsctl", "--timeout=5", "list-br"], capture_output=True, text=True, check=False
    )
    if not bridges.stdout.split():
        subprocess.run([OVS_CTL, "stop"], capture_output=True, check=False)


@pytest.fixture(scope="session")
def real_mininet(need: Callable[[str], str]) -> None:
    """The real Mininet is there for the system's Python."""
    need("mn")
