"""How pages name modules, and what modules define."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

_MODULE = re.compile(r"`((?:\w+/)*\w+\.py)`((?:(?:,| and| or)? `[A-Za-z_]\w*(?:\.\w+)?`)*)")
"""A module, and the names that follow it directly."""


def named(page: str) -> Iterator[tuple[str, str]]:
    """The modules of a page, each with '' and with every name that is said to be in it."""
    for module, names in _MODULE.findall(page):
        yield module, ""
        for name in re.findall(r"`([^`]+)`", names):
            yield module, name


@cache
def defined(path: Path) -> frozenset[str]:
    """The functions, classes and methods (`Class.method`) that a module defines."""
    found = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        if isinstance(node, ast.ClassDef):
            inner = [n for n in node.body if isinstance(n, ast.FunctionDef)]
            found |= {f"{node.name}.{method.name}" for method in inner}
    return frozenset(found)
