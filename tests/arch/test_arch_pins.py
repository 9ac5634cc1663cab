"""Pins: everything that is needed, nothing else, and the same for pip and for uv."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def pins(name: str) -> dict[str, str]:
    lines = (ROOT / "requirements" / name).read_text().splitlines()
    found = [line.split("==") for line in lines if "==" in line]
    return {canonicalize_name(name): version for name, version in found}


def needed() -> set[str]:
    """What the project and its extras need, by what is installed."""
    extras = PROJECT["project"]["optional-dependencies"].values()
    wanted = [*PROJECT["project"]["dependencies"], *(one for extra in extras for one in extra)]
    todo = [Requirement(one) for one in wanted]
    seen: set[tuple[str, str]] = set()
    while todo:
        one = todo.pop()
        for extra in ("", *one.extras):
            key = (canonicalize_name(one.name), extra)
            if key in seen:
                continue
            seen.add(key)
            try:
                below = [Requirement(text) for text in requires(one.name) or []]
            except PackageNotFoundError:  # of an extra that set-up leaves out
                below = []
            todo += [r for r in below if r.marker is None or r.marker.evaluate({"extra": extra})]
    return {name for name, _ in seen}


def test_nothing_is_pinned_to_run_on_that_nobody_needs():
    assert pins("run.txt").keys() - needed() == set()


def test_what_the_project_asks_for_is_pinned():
    wanted = {
        canonicalize_name(re.split(r"[<>=\[ ]", one)[0])
        for one in PROJECT["project"]["dependencies"]
    }
    assert wanted <= pins("run.txt").keys()


def test_uv_builds_under_the_same_constraints_as_pip():
    wanted = [f"{name}=={version}" for name, version in pins("build.txt").items()]
    assert PROJECT["tool"]["uv"]["build-constraint-dependencies"] == wanted
