"""The user's page tells of everything that the tables have, and its examples are true."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import pytest

from rdl import vocabulary
from rdl.graph import ConstraintKind
from rdl.language.load import load, load_graph
from rdl.language.text import MAX_VALUES
from rdl.units import UNITS, Quantity

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "rdl.md").read_text()

NAMES = [
    *vocabulary.RESOURCES,
    *vocabulary.FEATURES,
    *vocabulary.STANDARD_TYPES,
    *(unit for q in (Quantity.BYTES, Quantity.RATE, Quantity.TIME) for unit in UNITS[q]),
    *vocabulary.PROTECTIONS,
]


@pytest.mark.parametrize("name", NAMES)
def test_the_page_names(name: str):
    """Each standard name, in code."""
    assert f"`{name}`" in PAGE


def test_the_page_names_every_constraint():
    """As it is written."""
    assert all(f"`{{{kind}: " in PAGE for kind in ConstraintKind)


def test_the_first_example_is_the_file_in_examples():
    """And loads."""
    block = PAGE.split("## In five minutes\n\n")[1].split("\n\nTwo VNodes")[0]
    text = "\n".join(line.removeprefix("    ") for line in block.splitlines())
    assert load(text) == load_graph((ROOT / "examples" / "shop.rdl.yaml").read_text())


def test_the_limit_on_values_is_told():
    """As it is."""
    assert f"{MAX_VALUES:,} values" in PAGE


def test_the_example_for_networkx_prints_what_it_shows():
    """As a reader would type it."""
    code = "\n".join(re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL))
    test = doctest.DocTestParser().get_doctest(code, {}, "rdl.md", "docs/rdl.md", 0)
    assert len(test.examples) >= 5
    said: list[str] = []
    doctest.DocTestRunner().run(test, out=said.append)
    assert not said, "".join(said)
