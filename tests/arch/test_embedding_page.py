"""The embedding page says what is there: packages of `mip`, their modules, what these define."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from arch_pages import defined, named

from mip.objectives import BUILT_IN

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "embedding.md").read_text()
FOLDERS = (ROOT, ROOT / "mip")


def section(title: str) -> str:
    """What stands below a heading, up to the next one."""
    return PAGE.split(f"## {title}", 1)[1].split("\n## ", 1)[0]


@pytest.mark.parametrize(("module", "name"), sorted(set(named(PAGE))))
def test_what_the_embedding_page_names_exists(module: str, name: str):
    """A module that was moved, or what was moved out of it, is to be told of where it is now."""
    found = [folder / module for folder in FOLDERS if (folder / module).is_file()]
    assert found, f"no module {module}"
    assert not name or name in defined(found[0])


def test_each_thing_of_the_literature_is_said_to_be_in_a_module_by_name():
    """A row without a name, or written so that the test above doesn't see it, would go stale."""
    rows = re.findall(r"^\| (.+) \| (.+) \|$", section("Where to find what"), re.MULTILINE)[2:]
    assert len(rows) >= 10
    for what, where in rows:
        names = [name for module, name in named(where) if name]
        assert len(names) >= len({module for module, _ in named(where)}) > 0, what


def test_the_packages_of_the_page_are_those_of_mip():
    """All of them; modules at the top only where they are worth a word."""
    table = PAGE.split("| package of `mip/` | is |")[1].split("\n\n")[0]
    shown = re.findall(r"^\| `([\w.]+)` \|", table, re.MULTILINE)
    packages = {p.parent.name for p in (ROOT / "mip").glob("*/__init__.py")}
    assert packages == {name for name in shown if not name.endswith(".py")}
    assert not [name for name in shown if not (ROOT / "mip" / name).exists()]


def test_modules_of_a_package_are_in_it():
    """What follows a package in the table, in code, is a module of it or a name it exports."""
    table = PAGE.split("| package of `mip/` | is |")[1].split("\n\n")[0]
    for package, text in re.findall(r"^\| `(\w+)` \| (.*) \|$", table, re.MULTILINE):
        folder = ROOT / "mip" / package
        known = {p.stem for p in folder.glob("*.py")}
        known |= {name for p in folder.glob("*.py") for name in defined(p)}
        words = re.findall(r"`([a-zA-Z_]\w*)`", text)
        assert not [w for w in words if w not in known and w not in BUILT_IN], package
