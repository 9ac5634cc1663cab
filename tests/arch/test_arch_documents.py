"""What the documents show works as shown."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from cloudnet_sdn.cli.app import COMMANDS
from cloudnet_sdn.cli.outcome import Exit
from hostagent import config
from rdl.language.load import load
from ryu_apps.settings import settings_of

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
TEXT = {page.name: page.read_text() for page in PAGES}
DOCUMENTS = [
    (name, block)
    for name, text in TEXT.items()
    for block in re.findall(r"^```yaml\n(rdl: 1\n.*?)^```", text, re.MULTILINE | re.DOTALL)
]


@pytest.mark.parametrize(("page", "text"), DOCUMENTS)
def test_rdl_in_the_documents_is_valid(page, text):
    load(text, source=page)


def test_the_readme_shows_a_request():
    assert any(page == "README.md" for page, _ in DOCUMENTS)


def test_make_targets_in_the_documents_exist():
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for name, text in TEXT.items():
        shown = set(re.findall(r"(?:^ {4}|`)make ([a-z]+)\b", text, re.MULTILINE))
        assert shown <= targets, name


def test_commands_in_the_documents_exist():
    for name, text in TEXT.items():
        shown = set(re.findall(r"(?:^ {4}|`)cloudnet ([a-z][a-z-]*)\b", text, re.MULTILINE))
        assert shown <= set(COMMANDS), name


def test_the_readme_has_every_exit_code():
    line = re.search(r"^0 done .*$", TEXT["README.md"], re.MULTILINE)
    assert line is not None
    shown = [int(code) for code in re.findall(r"(\d) \w", line[0])]
    assert shown == sorted(code for code in Exit if code != Exit.INTERRUPTED)


def test_the_shells_configurations_on_the_operating_page_are_taken(tmp_path):
    controller, agent = re.findall(r"```toml\n(.*?)```", TEXT["operating.md"], re.DOTALL)[3:5]
    assert [c.name for c in settings_of(tomllib.loads(controller)).callers] == ["berlin"]
    (tmp_path / "agent.toml").write_text(agent)
    found = config.load(tmp_path / "agent.toml")
    assert found.bridge is not None
    assert (found.provider, found.bridge.uplinks) == ("berlin", ("b-sn1-eth1",))
