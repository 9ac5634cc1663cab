"""The command line against a small role behind the real wire."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from fakes.role import FakeRole, Stage, served

from cloudnet_sdn.cli import main

SHOP = """\
rdl: 1
graph: shop
nodes: {web: {cpu: 2}, db: {cpu: 4}}
links: {web-db: {ends: [web, db], bandwidth: 5Mbps}}
"""


@dataclass
class Ran:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        return json.loads(self.out)


@dataclass
class Shell:
    """Runs `cloudnet …` in a folder of its own, towards one role."""

    role: FakeRole
    url: str
    folder: Path
    capsys: pytest.CaptureFixture[str]

    def __call__(self, *words: str, at: bool = False) -> Ran:
        self.capsys.readouterr()
        code = main([*words, *(["--at", self.url] if at else [])])
        out, err = self.capsys.readouterr()
        return Ran(code, out, err)

    def role_says(self, *words: str) -> Ran:
        """Run a client verb towards the role."""
        return self(*words, at=True)

    def file(self, name: str, text: str) -> str:
        (self.folder / name).write_text(text)
        return name

    def shop(self) -> str:
        return self.file("shop.yaml", SHOP)


@pytest.fixture(scope="session")
def stage() -> Iterator[tuple[Stage, str]]:
    stage = Stage()
    with served(stage) as url:
        yield stage, url


@pytest.fixture
def sh(
    stage: tuple[Stage, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Shell:
    monkeypatch.chdir(tmp_path)
    # No settings of whoever runs the tests.
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    behind, url = stage
    behind.role = FakeRole()
    return Shell(behind.role, url, tmp_path, capsys)
