"""Roles over fake machines."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fakes import world
from fakes.databases import Databases, Files
from fakes.world import FakeClock, Federation, Machine, provider


@pytest.fixture(autouse=True)
def _in_databases(stores: Databases) -> None:
    """Machines keep their state where `--store` says."""


@pytest.fixture
def shared(shared_server: Databases, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Machines keep their state where a role may have several processes."""
    # Where the world's machines keep their state.
    monkeypatch.setattr(world, "databases", shared_server)
    yield
    shared_server.forget()


@pytest.fixture
def file_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Machines keep their state in SQLite files, whatever `--store` says."""
    # Where the world's machines keep their state.
    monkeypatch.setattr(world, "databases", Files())


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def pip(tmp_path, clock) -> Iterator[Machine]:
    """A provider, berlin: hosts sn1, sn2; switches sw1, sw2; tunnel bridge tbr."""
    machine = provider(tmp_path, "berlin", "munich", "b", clock)
    yield machine
    machine.stop()


@pytest.fixture
def federation(tmp_path, clock) -> Iterator[Federation]:
    """A broker, vnp, over berlin and munich."""
    made = Federation(tmp_path, clock)
    yield made
    made.stop()
