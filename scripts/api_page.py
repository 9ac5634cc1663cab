"""Writes docs/api.md from the facade's table of methods: `make docs`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path

from cloudnet_sdn.roles.facade import Facade
from cloudnet_sdn.wire import faults
from cloudnet_sdn.wire.exposing import Entry, entries, fault_codes

PAGE = Path(__file__).resolve().parents[1] / "docs" / "api.md"

HEAD = """\
# The methods of a role

Written by `make docs` from `cloudnet_sdn/roles/facade.py` `Facade`; edit the docstrings there.

A PIP and a VNP serve the same XML-RPC methods at `/RPC2`, over TLS with client certificates, or over plain HTTP on loopback.
The caller is the certificate's URI, such as `cloudnet:tenant:acme`; what a caller asks for is its own.
RDL travels as text, times are RFC 3339 in UTC.
A running role tells the same by `system.listMethods`, `system.methodSignature` and `system.methodHelp`; `system.multicall` makes many calls in one.

## Faults

Every method may answer 401 (no certificate), 429 (busy; when to come again), 500 (our fault, with an id to quote), 503 and 504 (a layer below is away, or took too long), and the protocol's -32700 to -32600.
What a method answers besides is told with it.

"""


def page(table: Iterable[Entry] = entries(Facade)) -> str:
    """The whole page."""
    return HEAD + "\n".join((*_faults(), *_methods(table)))


def _faults() -> Iterator[str]:
    yield "| code | is | means |"
    yield "| --- | --- | --- |"
    for kind in sorted(_tree(faults.CloudnetError), key=lambda kind: kind.code):
        if kind.code > 0:
            said = (kind.__doc__ or "").partition("\n")[0]
            yield f"| {kind.code} | {kind.__name__} | {said} |"


def _tree(kind: type[faults.CloudnetError]) -> Iterator[type[faults.CloudnetError]]:
    for one in kind.__subclasses__():
        if one.__module__ == faults.__name__:
            yield one
            yield from _tree(one)


def _methods(table: Iterable[Entry]) -> Iterator[str]:
    ordered = sorted(table, key=_group)  # stable: within a group in the class's order
    for group, methods in groupby(ordered, key=_group):
        yield f"\n## {group}"
        for entry in methods:
            arguments = ", ".join(
                f"[{one.name}: {one.type}]" if one.optional else f"{one.name}: {one.type}"
                for one in entry.arguments
            )
            yield f"\n### {entry.name}\n"
            yield f"`{entry.name}({arguments})` → {entry.result}\n"
            yield entry.help
            if entry.faults:
                yield f"\nFaults: {', '.join(map(str, fault_codes(entry.faults)))}."
    yield ""


def _group(entry: Entry) -> str:
    return entry.name.partition(".")[0]


if __name__ == "__main__":
    PAGE.write_text(page())
