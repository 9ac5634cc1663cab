"""A solver that overstays its limit is ended, and nobody else."""

from __future__ import annotations

import subprocess
from pathlib import Path

from mip.solvers.cbc import _Deadline


def test_the_child_that_works_in_the_folder_is_ended_after_its_limit(tmp_path: Path):
    """As CBC is, where it doesn't look at its clock."""
    works = subprocess.Popen(["sh", "-c", "sleep 60; :", str(tmp_path / "model.mps")])
    other = subprocess.Popen(["sh", "-c", "sleep 60; :", "elsewhere"])
    try:
        with _Deadline(str(tmp_path), 0.0):
            assert works.wait(timeout=20) == -9
        assert other.poll() is None
    finally:
        for process in (works, other):
            process.kill()
            process.wait()


def test_a_child_that_ends_in_time_is_left_alone(tmp_path: Path):
    deadline = _Deadline(str(tmp_path), 60.0)
    with deadline:
        subprocess.run(["sh", "-c", ":", str(tmp_path)], check=True)
    assert not deadline.struck
