"""The architecture page names modules and functions: they are there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text()
NAMED = re.compile(r"`([\w/]+\.py)`(?: `([A-Za-z_]\w*(?:\.\w+)?)`)?")


def place(name: str) -> Path:
    """The file that the page means: from the root, or within `cloudnet_sdn`."""
    return ROOT / name if (ROOT / name).exists() else ROOT / "cloudnet_sdn" / name


def defined(path: Path) -> set[str]:
    """The functions, classes and methods (`Class.method`) that a module defines."""
    found = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        if isinstance(node, ast.ClassDef):
            inner = [n for n in node.body if isinstance(n, ast.FunctionDef)]
            found |= {f"{node.name}.{method.name}" for method in inner}
    return found


@pytest.mark.parametrize(("module", "name"), sorted(set(NAMED.findall(PAGE))))
def test_what_the_page_names_exists(module, name):
    path = place(module)
    assert path.is_file(), module
    if name:
        assert name in defined(path)


def test_the_page_covers_the_life_of_a_request():
    steps = re.findall(r"^\| (5\.\d) ", PAGE, re.MULTILINE)
    assert steps == ["5.1", "5.2", "5.3", "5.4", "5.5", "5.6", "5.7"]


@pytest.mark.parametrize("protocol", re.findall(r"^\| `(\w+)` \| `\w+`", PAGE, re.MULTILINE))
def test_the_ports_of_the_page_exist(protocol):
    assert protocol in defined(ROOT / "cloudnet_sdn" / "ports.py")
