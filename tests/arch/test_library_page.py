"""The guide to `mip` as a library: its examples are run, and the names it promises are there."""

from __future__ import annotations

import dataclasses
import doctest
import importlib
import inspect
import re
from pathlib import Path

import pytest

from mip.mapping import map_request
from mip.problem import Code, Embedded, Options, Problem, Reason, Result, Status, Weights

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "library.md").read_text()
EXAMPLES = "\n".join(re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL))
TABLE = dict(
    re.findall(r"^\| `([\w.]+)` \| (`.*) \|$", PAGE.split("## A mapping")[0], re.MULTILINE)
)

PROMISED = {
    "mip.problem": "Problem Options Result Status Reason Code Embedded Objective Weights",
    "mip.mapping": "map_request mapping_graph",
    "mip.objectives": "Cost Balance Compact names objective",
    "mip.verify": "verify",
    "mip.workers": "map_in_process start_mapping Solving",
    "mip.migration.consolidate": "consolidate HOSTS BANDWIDTH",
    "mip.problem.state": "read_state",
    "mip.standing": "standing",
    "mip.errors": "MappingError",
    "rdl.graph": "Graph Element Interface Amount Constraint MappingGraph Placement",
    "rdl.language.load": "load load_graph load_mapping",
    "rdl.language.dump": "dump",
}
"""What third parties import. A name may be added; one that goes breaks them."""

FIELDS = {
    Problem: "substrate request embedded anchors unavailable keep shown",
    Options: "objective method time_limit gap seed solver explain",
    Result: "status objective value bound nodes links backups chosen reasons seconds",
    Embedded: "overlay mapping anchors",
    Reason: "element code text",
    Weights: "place carry open peak constant level",
}
"""In the order in which they may be given; more may follow."""


def test_the_examples_print_what_they_show():
    """All in one go, as a reader would type them."""
    flags = doctest.ELLIPSIS | doctest.IGNORE_EXCEPTION_DETAIL
    test = doctest.DocTestParser().get_doctest(EXAMPLES, {}, "library.md", "docs/library.md", 0)
    assert len(test.examples) > 25
    said: list[str] = []
    doctest.DocTestRunner(optionflags=flags).run(test, out=said.append)
    assert not said, "".join(said)


def test_the_page_promises_what_is_pinned():
    shown = {module: re.findall(r"`(\w+)`", names) for module, names in TABLE.items()}
    assert shown == {module: names.split() for module, names in PROMISED.items()}


@pytest.mark.parametrize("module", PROMISED)
def test_promised_names_exist(module: str):
    found = importlib.import_module(module)
    assert not [name for name in PROMISED[module].split() if not hasattr(found, name)]


@pytest.mark.parametrize("kind", FIELDS)
def test_values_keep_their_fields(kind: type):
    fields = [f.name for f in dataclasses.fields(kind) if f.init]
    promised = FIELDS[kind].split()
    assert fields[: len(promised)] == promised


def test_words_that_programs_compare_stay():
    assert {str(s) for s in Status} == {"optimal", "feasible", "infeasible", "timeout"}
    assert {
        "capacity", "fragmented", "feature", "type", "constraint", "latency", "no-path",
        "vlan-taken", "unknown-target", "quota", "policy", "peer-away",
    } <= {str(c) for c in Code}  # fmt: skip


def test_options_of_the_page_are_all_there_are():
    section = PAGE.split("## How to solve")[1].split("\n## ")[0]
    shown = re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)[1:]
    assert sorted(shown) == sorted(f.name for f in dataclasses.fields(Options))


def test_states_of_the_page_are_all_there_are():
    section = PAGE.split("## Reading the result")[1].split("\n## ")[0]
    shown = re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)[1:]
    assert shown == [str(s) for s in Status]


def test_map_request_takes_problem_options_progress():
    assert list(inspect.signature(map_request).parameters) == ["problem", "options", "progress"]
