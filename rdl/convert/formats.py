"""Other formats to RDL: Topology Zoo GraphML, SNDlib (XML and native), node-link JSON, GENI RSpec.

The format is told from the text. What comes out loads, and what of the file it does not hold is
in its account. To RFC 8345 JSON: see `rdl.convert.rfc8345`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from rdl.convert import graphml, node_link, rspec, sndlib
from rdl.convert.account import Account
from rdl.convert.topology import Converted, ConvertError, Options, graph_name
from rdl.convert.xmlin import Reading, local, parse
from rdl.errors import DocumentError
from rdl.language.dump import dump
from rdl.language.load import load_graph
from rdl.language.text import MAX_BYTES

_MOST_PROBLEMS = 5


def convert(text: str | bytes, *, name: str = "", options: Options | None = None) -> Converted:
    """A file of another format as an RDL graph.

    Args:
        text: the file.
        name: the graph's name where the file has none, such as the file's own.
        options: how topologies become substrates.

    Returns:
        The graph (an underlay, of a GENI request an overlay), and an account of what was left out.

    Raises:
        ConvertError: no known format, not well-formed, or nothing that RDL allows.
    """
    given = graph_name(name, Account()) if name else ""  # of its letters, none is the file's
    done = _read(_decoded(text), given, options or Options())
    _check(done)
    return done


def _read(text: str, name: str, options: Options) -> Converted:
    head = text.lstrip()[:4096]
    if head.startswith("?SNDlib"):
        return sndlib.native(text.lstrip(), name, options)
    if head.startswith("{"):
        return node_link.graph(text, name, options)
    if not head.startswith("<"):
        raise ConvertError("no GraphML, SNDlib, node-link JSON or GENI RSpec")
    root = parse(text)
    readers: Mapping[str, Callable[[Reading, str, Options], Converted]] = {
        "graphml": graphml.graph,
        "network": sndlib.xml,
        "rspec": rspec.request,
    }
    reader = readers.get(local(root))
    if reader is None:
        raise ConvertError(f"XML of an unknown kind: <{local(root)[:60]}>")
    return reader(Reading(root), name, options)


def _decoded(text: str | bytes) -> str:
    if len(text) > MAX_BYTES:
        raise ConvertError(f"more than {MAX_BYTES} bytes (16 MiB)")
    if isinstance(text, str):
        return text.removeprefix("\ufeff")
    try:
        return text.decode("utf-8-sig")
    except UnicodeDecodeError:
        return text.decode("latin-1")  # the Topology Zoo has files that claim UTF-8 and aren't


def _check(done: Converted) -> None:
    """Make sure that what was made of a file can be read again.

    Raises:
        ConvertError: it can't, with the reasons.
    """
    try:
        load_graph(dump(done.graph))
    except DocumentError as exc:
        reasons = [f"{problem.where}: {problem.text}" for problem in exc.problems]
        more = len(reasons) + exc.more - _MOST_PROBLEMS
        shown = "; ".join(reasons[:_MOST_PROBLEMS]) + (f"; and {more} more" if more > 0 else "")
        raise ConvertError(f"RDL does not allow what it says: {shown}") from exc
