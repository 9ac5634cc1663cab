"""The store: what was put is there after the process, the whole of it or nothing."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from controller_fakes import World, s

from ryu_apps.spec import VLinkId
from ryu_apps.store import MemoryStore, SqliteStore, open_store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    opened = SqliteStore(tmp_path / "c.sqlite")
    yield opened
    opened.close()


def test_a_controller_that_dies_finds_everything_again(store: SqliteStore, tmp_path: Path) -> None:
    world = World(((1, 2), (2, 3), (1, 3)), store=store)
    world.put("a", (1, "s1-eth1", 0), (3, 2, 30), bandwidth=5e6)
    world.put("moved", (1, 2, 0), (3, 3, 0), path=[world.hop(1, 2, 5), world.hop(2, 3, 5)])
    world.put("gone", (1, 3, 0), (2, 3, 0))
    world.leave(s(2))
    world.put("moved", (1, 2, 0), (3, 3, 0))
    world.delete("gone")
    again = SqliteStore(tmp_path / "c.sqlite")
    assert again.load() == store.load()
    assert {v: (r.deleting, len(r.former)) for v, r in again.load().items()} == {
        "a": (False, 0),
        "moved": (False, 1),
        "gone": (True, 1),
    }
    world.store = again
    world.start()
    world.come(s(2))
    world.discover()
    world.later(1.0)
    assert world.service.ids() == ["a", "moved"]
    assert {world.service.get(VLinkId(v))["state"] for v in ("a", "moved")} == {"up"}
    again.close()


def test_a_write_that_fails_changes_nothing(store: SqliteStore) -> None:
    world = World(((1, 2),), store=store)
    world.put("a", (1, 1, 0), (2, 1, 0))
    store.close()
    with pytest.raises(sqlite3.ProgrammingError):
        world.put("b", (1, 2, 0), (2, 2, 0))
    assert world.service.ids() == ["a"]
    world.store = MemoryStore()
    assert len(world.network.residue()) == 6


def test_urls(tmp_path: Path) -> None:
    opened = open_store(f"sqlite:///{tmp_path}/x.sqlite")
    assert isinstance(opened, SqliteStore)
    opened.close()
    assert isinstance(open_store("memory:"), MemoryStore)
    for url in ("sqlite:///", "mysql://x", "x.sqlite"):
        with pytest.raises(ValueError, match="sqlite:///FILE"):
            open_store(url)
