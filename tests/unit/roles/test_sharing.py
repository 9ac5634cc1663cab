"""Questions that many have at the same time."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from cloudnet_sdn.plugins.sharing import Shared


class World:
    """Something that changes, and takes a moment to look at."""

    def __init__(self) -> None:
        self.state = 0
        self.looks = 0
        self.slowly = threading.Event()

    def look(self) -> int:
        seen = self.state
        self.looks += 1
        self.slowly.wait(10)
        if seen < 0:
            raise ValueError(seen)
        return seen


def test_nobody_gets_an_answer_from_before_it_asked():
    """Those who come while it is looked share the next look."""
    world = World()
    shared = Shared(world.look)
    with ThreadPoolExecutor(9) as pool:
        first = pool.submit(shared.get)
        while not world.looks:
            time.sleep(0.001)
        world.state = 1
        later = [pool.submit(shared.get) for _ in range(8)]
        time.sleep(0.1)  # all have asked
        world.slowly.set()
        assert first.result(10) == 0
        assert {one.result(10) for one in later} == {1}
    assert world.looks == 2
    world.state = 2
    assert shared.get() == 2


def test_an_error_is_shared_and_forgotten():
    world = World()
    world.slowly.set()
    shared = Shared(world.look)
    world.state = -1
    with pytest.raises(ValueError, match="-1"):
        shared.get()
    world.state = 3
    assert shared.get() == 3
