"""The model on paper and in code: each equation leads to its functions, and each function back."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

from mip.objectives import BUILT_IN
from rdl.graph import ConstraintKind
from rdl.vocabulary import PROTECTIONS

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "embedding.md").read_text()
MODEL = PAGE.split("## The model\n")[1].split("## From equation to function\n")[0]
TABLE = PAGE.split("## From equation to function\n")[1].split("\n## ")[0]
NUMBER = r"\([RB]?\d+\)"
TAG = re.compile(rf"Model: ((?:{NUMBER}(?:, )?)+)\.")
"""How a docstring names its equations, as its last sentence."""


def stated() -> list[str]:
    """The numbers that the page gives to an equation, a reduction or a bound, in its order."""
    return re.findall(rf"^(?:\| )?({NUMBER})", MODEL, re.MULTILINE)


def led_to() -> set[tuple[str, str]]:
    """(number, `module.py name`) of each row of the table."""
    found = set()
    for number, rest in re.findall(rf"^\| ({NUMBER}) \| (.*) \|$", TABLE, re.MULTILINE):
        module = ""
        for name in re.findall(r"`([^`]+)`", rest):
            if name.endswith(".py"):
                module = name
            else:
                found.add((number, f"{module} {name}"))
    return found


@cache
def tagged() -> frozenset[tuple[str, str]]:
    """(number, `module.py name`) of each function and class whose docstring names equations."""
    found = set()
    for path in sorted((ROOT / "mip").rglob("*.py")):
        module = str(path.relative_to(ROOT / "mip"))
        for name, node in named_nodes(ast.parse(path.read_text())):
            for numbers in TAG.findall(ast.get_docstring(node) or ""):
                found |= {(n, f"{module} {name}") for n in re.findall(NUMBER, numbers)}
    return frozenset(found)


def named_nodes(tree: ast.Module) -> list[tuple[str, ast.FunctionDef | ast.ClassDef]]:
    """Functions and classes by name, methods as `Class.method`."""
    found: list[tuple[str, ast.FunctionDef | ast.ClassDef]] = []
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.append((node.name, node))
        if isinstance(node, ast.ClassDef):
            inner = [n for n in node.body if isinstance(n, ast.FunctionDef)]
            found += [(f"{node.name}.{method.name}", method) for method in inner]
    return found


def test_equations_are_numbered_without_gaps():
    for letter in ("", "R", "B"):
        numbers = [int(n) for n in re.findall(rf"\({letter}(\d+)\)", " ".join(stated()))]
        assert list(dict.fromkeys(numbers)) == list(range(1, len(set(numbers)) + 1)), letter


def test_every_equation_leads_to_a_function():
    assert {number for number, _ in led_to()} == set(stated())


def test_the_functions_of_the_table_name_their_equation_and_no_others_do():
    assert led_to() == tagged()


def test_the_model_speaks_of_every_constraint_and_objective():
    for kind in ConstraintKind:
        assert f"`{kind}`" in MODEL
    for name in BUILT_IN:
        assert f"| `{name}` |" in MODEL
    for demand in ("`vlans`", "latency", "`protection: link`", "`node`", "pool"):
        assert demand in MODEL
    assert set(PROTECTIONS) == {"none", "link", "node"}
