"""The architecture page says what is there: modules, functions, tables, states, errors, methods."""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from arch_pages import defined, named

from cloudnet_sdn.model.states import CLOUDNET_STEPS, OFFER_STEPS, TaskState, Wanted
from cloudnet_sdn.store.schema import metadata
from cloudnet_sdn.wire import faults
from cloudnet_sdn.wire.identity import Caller, Kind
from hostagent.methods import Methods
from hostagent.tunnels import Tunnels

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text()
FOLDERS = (ROOT, ROOT / "cloudnet_sdn")


def place(name: str) -> Path:
    """The file that the page means: from the root, or within `cloudnet_sdn`."""
    found = [folder / name for folder in FOLDERS if (folder / name).is_file()]
    assert found, f"no module {name}"
    return found[0]


def section(title: str) -> str:
    """What stands below a heading, up to the next one."""
    found = re.search(
        rf"^#+ {re.escape(title)}\b.*?\n(.*?)(?=^#|\Z)", PAGE, re.MULTILINE | re.DOTALL
    )
    assert found is not None, f"no section {title}"
    return found[1]


def first_column(text: str) -> list[str]:
    """The names in backticks that begin the rows of tables."""
    return [
        n
        for row in re.findall(r"^\| (`.*?) \|", text, re.MULTILINE)
        for n in re.findall("`(.*?)`", row)
    ]


@pytest.mark.parametrize(("module", "name"), sorted(set(named(PAGE))))
def test_what_the_page_names_exists(module, name):
    path = place(module)
    assert not name or name in defined(path)


def test_names_of_modules_with_a_file_are_recognised():
    """The pattern above sees most of the page: a page written otherwise would pass unseen."""
    assert len(set(named(PAGE))) > 100


def test_all_folders_of_the_page_exist():
    folders = re.findall(r"^\| `([\w/]+/)` \|", section("Folders and arrows"), re.MULTILINE)
    assert len(folders) == 11
    homes = (ROOT, ROOT / "cloudnet_sdn")
    assert not [f for f in folders if not any((home / f).is_dir() for home in homes)]


def test_the_page_covers_the_life_of_a_request():
    steps = re.findall(r"^\| (5\.\d) ", PAGE, re.MULTILINE)
    assert steps == ["5.1", "5.2", "5.3", "5.4", "5.5", "5.6", "5.7"]


def test_the_ports_of_the_page_have_these_methods():
    rows = re.findall(r"^\| `(\w+)` \| (`.*?) \|", section("Ports"), re.MULTILINE)
    assert len(rows) == 14
    for protocol, methods in rows:
        for method in re.findall(r"`(\w+)`", methods):
            assert f"{protocol}.{method}" in defined(ROOT / "cloudnet_sdn" / "ports.py")


def test_the_plugins_of_the_page_are_ours():
    rows = re.findall(r"^\| `/.*? \| `(\w+)` \|", section("One role engine"), re.MULTILINE)
    found = importlib.metadata.entry_points(group="cloudnet_sdn.plugins")
    ours = {e.name for e in found if e.value.startswith("cloudnet_sdn.")}
    assert sorted(rows) == sorted(ours)


def test_the_tables_of_the_page_are_the_store_s():
    assert sorted(first_column(section("The store"))) == sorted(metadata.tables)


def test_the_state_machines_of_the_page_are_the_code_s():
    text = section("State machines")
    block = re.search(r"```\n(.*?)```", text, re.DOTALL)
    assert block is not None
    shown = {"offer": {}, "cloudnet": {}}
    machine = shown["offer"]
    for line in block[1].splitlines():
        before, _, after = line.partition("→")
        *kind, state = before.split()
        machine = shown[kind[0]] if kind else machine
        machine[state] = set(after.split())
    code = {"offer": OFFER_STEPS, "cloudnet": CLOUDNET_STEPS}
    for name, steps in code.items():
        assert shown[name] == {
            str(state): {str(n) for n in nexts} for state, nexts in steps.items() if nexts
        }
    for states in (Wanted, TaskState):
        assert f"({', '.join(f'`{state}`' for state in states)})" in text


def test_the_errors_of_the_page_are_the_wire_s():
    def tree(kind: type[faults.CloudnetError]) -> Iterator[type[faults.CloudnetError]]:
        for branch in kind.__subclasses__():
            yield branch
            yield from tree(branch)

    shown = re.findall(r"── (\w+) (-?\d+)", section("Errors"))
    ours = [k for k in tree(faults.CloudnetError) if k.__module__ == faults.__name__]
    assert sorted(shown) == sorted((kind.__name__, str(kind.code)) for kind in ours)


def test_the_agent_s_methods_of_the_page_are_served(tmp_path):
    served = Methods(
        name="h",
        provider=Caller(Kind.ROLE, "p"),
        drivers=[],
        vnodes=None,
        consoles=None,
        tunnels=Tunnels([], tmp_path),
        tunnel_names=[],
    ).table()
    shown = re.findall(r"`((?:agent|vnode|tunnel)\.\w+)\(", section("Host agent"))
    assert sorted(shown) == sorted(method.name for method in served)
