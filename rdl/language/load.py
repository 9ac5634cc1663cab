"""RDL text to a graph: both spellings, strict, every error at once with its place.

Whatever the text, it ends in bounded time and memory, and raises nothing but `DocumentError`.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType

from rdl import vocabulary
from rdl.errors import DocumentError
from rdl.graph import Constraint, Element, Graph, Layer, MappingGraph
from rdl.language.check import check_graph
from rdl.language.constraints import ConstraintReader
from rdl.language.draft import Draft, interfaces_of
from rdl.language.elements import ElementReader
from rdl.language.placements import PlacementReader
from rdl.language.report import Report, label, shown
from rdl.language.text import Keys, Text, kind_of, read, value_of
from rdl.language.values import Values
from rdl.language.wiring import Wiring
from rdl.units import UnitError

_LARGE = 64 * 1024


def load(text: str | bytes, *, source: str = "<rdl>") -> Graph | MappingGraph:
    """The graph that an RDL document describes.

    Args:
        text: the document, in the shorthand, the canonical spelling, or both mixed.
        source: the file's name, for the errors.

    Raises:
        DocumentError: with everything that is wrong, each with line and column.
    """
    with _collector_paused(len(text)):
        return _load(text, Report(source))


@contextmanager
def _collector_paused(size: int) -> Iterator[None]:
    """Nothing made while reading is cyclic; looking for cycles doubles the time of large texts."""
    pause = size > _LARGE and gc.isenabled()
    if pause:
        gc.disable()
    try:
        yield
    finally:
        if pause:
            gc.enable()


def _load(text: str | bytes, report: Report) -> Graph | MappingGraph:
    root = read(text, report)
    found: Graph | MappingGraph | None = None
    if root is not None and not isinstance(root, Keys):
        told = "nothing" if isinstance(root, Text) and not root.text else kind_of(root)
        report.add(
            root.mark, "document", f"a mapping that begins with `rdl: 1` is wanted, not {told}"
        )
    elif isinstance(root, Keys):
        found = _document(root, report)
    elif not report:
        report.add(_Start, "document", "it is empty; it begins with `rdl: 1`")
    report.raise_if_any()
    if found is None:  # every way here has noted why
        raise DocumentError(())
    return found


def load_graph(text: str | bytes, *, source: str = "<rdl>") -> Graph:
    """As `load`, of an overlay or an underlay alone.

    Raises:
        DocumentError: also where it is a mapping.
    """
    found = load(text, source=source)
    if isinstance(found, Graph):
        return found
    raise _other_kind(source, "an overlay or an underlay is wanted, this is a mapping")


def load_mapping(text: str | bytes, *, source: str = "<rdl>") -> MappingGraph:
    """As `load`, of a mapping alone.

    Raises:
        DocumentError: also where it is an overlay or an underlay.
    """
    found = load(text, source=source)
    if isinstance(found, MappingGraph):
        return found
    raise _other_kind(source, f"a mapping is wanted, this is an {found.layer}")


class _Start:
    line = 0
    column = 0


def _other_kind(source: str, text: str) -> DocumentError:
    report = Report(source)
    report.add(_Start, "layer", text)
    return DocumentError(tuple(report.problems))


def _document(root: Keys, report: Report) -> Graph | MappingGraph | None:
    values = Values(report)
    layer = _layer(root, report)
    _unknown_keys(root, layer, report)
    _version(root, report)
    name = _graph_name(root, "graph", values, report)
    if layer is None:
        return None
    if layer is Layer.MAPPING:
        underlay = _graph_name(root, "underlay", values, report)
        if "mapping" not in root.keys:
            report.add(root.mark, "document", "`mapping` is missing")
            return None
        mapping = PlacementReader(values, report).read(root.keys["mapping"][1])
        return MappingGraph(name or "", underlay or "", mapping)
    return _graph(root, name or "", layer, values, report)


def _graph(root: Keys, name: str, layer: Layer, values: Values, report: Report) -> Graph | None:
    draft = Draft()
    keys = root.keys
    elements = ElementReader(draft, values, report, offers=layer is Layer.UNDERLAY)
    if "elements" in keys:
        elements.canonical(keys["elements"][1])
    if "nodes" in keys:
        elements.shorthand(keys["nodes"][1], links=False)
    if "links" in keys:
        elements.shorthand(keys["links"][1], links=True)
    wiring = Wiring(draft, values, report)
    if "connections" in keys:
        wiring.connections(keys["connections"][1])
    wiring.shorthand()
    constraints: tuple[Constraint, ...] = ()
    if "constraints" in keys:
        constraints = ConstraintReader(draft, values, report).read(keys["constraints"][1])
    check_graph(draft, report)
    if report:
        return None
    return Graph(
        name=name,
        layer=layer,
        elements={
            i: Element(i, d.type, d.resources, d.features, interfaces_of(d.interfaces), d.chosen)
            for i, d in draft.elements.items()
        },
        connections=tuple((c.a, c.b) for c in draft.connections),
        constraints=constraints,
    )


def _layer(root: Keys, report: Report) -> Layer | None:
    if "layer" not in root.keys:
        return Layer.OVERLAY
    node = root.keys["layer"][1]
    told = node.text if isinstance(node, Text) else None
    if told in set(Layer):
        return Layer(told)
    hint = report.hint(told, [str(layer) for layer in Layer]) if told else ""
    report.add(node.mark, "layer", f"{kind_of(node)} is none of {', '.join(Layer)}{hint}")
    return None


_SLIPS: Mapping[str, str] = MappingProxyType(
    {"name": "graph", "version": "rdl", "vnodes": "nodes", "vlinks": "links", "edges": "links"}
)


def _unknown_keys(root: Keys, layer: Layer | None, report: Report) -> None:
    every = tuple(dict.fromkeys(k for keys in vocabulary.TOP_KEYS.values() for k in keys))
    known = every if layer is None else vocabulary.TOP_KEYS[layer]
    for key, (mark, _) in root.keys.items():
        if key in known:
            continue
        if key in every:
            text = f"not in {'a' if layer is Layer.MAPPING else 'an'} {layer} document"
        else:
            meant = _SLIPS.get(key)
            hint = f"; did you mean {meant!r}?" if meant else report.hint(key, known)
            text = f"unknown key{hint}"
        report.add(mark, label(key) or "''", text)


def _version(root: Keys, report: Report) -> None:
    if "rdl" not in root.keys:
        report.add(root.mark, "rdl", "missing; a document begins with `rdl: 1`")
        return
    node = root.keys["rdl"][1]
    try:
        value = value_of(node) if isinstance(node, Text) else None
    except UnitError:
        value = None
    if isinstance(value, bool) or value != vocabulary.VERSION or isinstance(value, float):
        hint = "; leave the quotes away" if value == str(vocabulary.VERSION) else ""
        report.add(node.mark, "rdl", f"version 1 is wanted, not {kind_of(node)}{hint}")


def _graph_name(root: Keys, key: str, values: Values, report: Report) -> str | None:
    if key not in root.keys:
        report.add(root.mark, key, "missing; it names the graph")
        return None
    node = root.keys[key][1]
    value = values.text(node, key, "a name")
    if value is not None and not vocabulary.GRAPH.fullmatch(value):
        text = f"{shown(value)} is no name: 1 to 63 of A-Z a-z 0-9 . _ -, the first not a dot"
        report.add(node.mark, key, text)
        return None
    return value
