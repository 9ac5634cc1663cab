# ruff: noqa: E501 - RDL texts are easier to read unbroken
"""Hostile text: bounded time and memory, no exception but ours.

The bound on time is for a machine shared by others; on an idle one each takes a second at most.
"""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rdl.errors import DocumentError
from rdl.language.load import load
from rdl.language.text import MAX_BYTES

SECONDS = 6.0
HEAD = "rdl: 1\ngraph: g\n"

HOSTILE = {
    "alias bomb": "a: &a [x, x]\n"
    + "".join(f"{chr(c)}: &{chr(c)} [{', '.join(['*' + chr(c - 1)] * 9)}]\n" for c in range(98, 120)),
    "recursive alias": "a: &x [*x]\n",
    "nested lists": "[" * 3000,
    "nested below": HEAD + "nodes: " + "[" * 3000,
    "nested mappings": "{a: " * 3000,
    "nested blocks": "- " * 3000,
    "nested keys": "? " * 3000,
    "digits": HEAD + "nodes: {a: {cpu: " + "9" * 100_000 + "}}",
    "digits of a version": "rdl: " + "9" * 100_000,
    "digits of elsewhere": HEAD + "nodes: {a: {}}\nconstraints: [{same: x, of: [a], elsewhere: "
    + "9" * 5000 + "}]",
    "digits with a unit": HEAD + "nodes: {a: {memory: " + "9" * 100_000 + "GiB}}",
    "equals sign": "=",
    "NUL": "rdl: 1\0",
    "UTF-16": "rdl: 1".encode("utf-16"),
    "Latin-1": b"rdl: 1\ngraph: \xe9",
    "lone surrogate": "rdl: 1\ngraph: \ud800",
    "escaped surrogate": 'rdl: 1\ngraph: "\\ud800"',
    "tag": HEAD + "nodes: !!python/object/apply:os.system [ls]",
    "too large": "#" * (MAX_BYTES + 1),
    "too large in bytes": "é" * (MAX_BYTES // 2 + 1),
    "noise": "a, " * 100_000,
    "keys": HEAD + "".join(f"n{i}: 1\n" for i in range(100_000)),
    "slips": HEAD + "nodes:\n" + "".join(f"  n{i}: {{memry: 1}}\n" for i in range(50_000)),
    "missing ids": HEAD + "nodes: {" + ",".join(f"n{i}: {{}}" for i in range(30_000)) + "}\n"
    + "constraints: [" + "{same: x, of: [n0, zzzzz]}," * 30_000 + "]",
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_is_refused_in_time(name: str):
    """With an error of ours, at once."""
    begin = time.perf_counter()
    with pytest.raises(DocumentError) as caught:
        load(HOSTILE[name])
    assert time.perf_counter() - begin < SECONDS
    assert caught.value.problems
    assert len(str(caught.value)) < 100_000


@pytest.mark.parametrize(
    "head",
    ["[", HEAD + "elements: [", HEAD + "nodes: {a: {x: [", "\0", "'", "- ", ": ", "#"],
)
def test_sixteen_megabytes_of_noise(head: str):
    """Bounded time, and less than a gibibyte of memory, in a process of its own."""
    program = f"""
import sys, time
from rdl.errors import DocumentError
from rdl.language.load import load
text = {head!r} + "a," * ({MAX_BYTES} // 2 - 100) if {head!r} not in "\\0#- : '" else {head!r} * (
    {MAX_BYTES} // len({head!r}))
begin = time.perf_counter()
try:
    load(text)
except DocumentError as exc:
    took = time.perf_counter() - begin
    # Not `ru_maxrss`: a process begins with that of the one that started it.
    with open("/proc/self/status") as status:
        print(took, next(line.split()[1] for line in status if line.startswith("VmHWM")))
"""
    out = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout.split()
    assert float(out[0]) < SECONDS
    assert int(out[1]) < 1024 * 1024


@given(st.text() | st.binary())
def test_any_text_gives_a_graph_or_our_error(text):
    """Never another exception."""
    with suppress(DocumentError):
        load(text)


YAMLISH = st.lists(
    st.sampled_from(
        ["rdl: 1\n", "graph: g\n", "nodes:", "links:", "elements:", "connections:", "constraints:", "{", "}",
         "[", "]", ", ", ": ", "- ", "\n", "  ", "a", "b", "a.x", "cpu", "2GiB", "ends", "id", "type",
         "/node/host/generic", "/link/generic", "same", "of", "not", "min", "max", "'", '"', "&a", "*a",
         "!t", "|", ">", "#", "?", "null", "true", "1", "-1", "layer: mapping\n", "mapping:", "on", "\t"]
    ),
    max_size=40,
).map("".join)  # fmt: skip


@given(YAMLISH)
def test_any_near_document_gives_a_graph_or_our_error(text):
    """Nor for what looks like RDL."""
    with suppress(DocumentError):
        load(text)


def test_places_are_those_of_the_file_with_a_byte_order_mark():
    """A mark at the start of the file moves nothing."""
    with pytest.raises(DocumentError) as caught:
        load(b"\xef\xbb\xbfrdl: 2\ngraph: g\n")
    assert (caught.value.problems[0].line, caught.value.problems[0].column) == (1, 6)


def test_import_is_light():
    """Reading RDL needs neither networkx nor anything else that is heavy."""
    program = "import sys, rdl.language.load, rdl.language.dump; print([m for m in sys.modules if 'networkx' in m])"
    out = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert out.stdout.strip() == "[]"
