"""The resource description language: text to graph and back, checked and compared.

Import the submodule you need; this package's own import stays free of YAML and networkx.

Modules:
    graph: the graph as immutable values (elements, interfaces, connections, constraints, mapping).
    errors: the error tree, with places in the text.
    load, dump, brief: text to graph, strict; graph to canonical text, and to the shorthand.
    vocabulary, units, types: what the language knows by name, as data.
    match: whether what is there meets what is asked for.
    complete, choices: OL0 to OL1; values left open, across providers too.
    aggregate, partition: what a role shows upward; a request split between providers.
    views: the graph as networkx sees it.
    fmt, diff, schema: formatting, differences between graphs, the language as a JSON Schema.
    draw: pictures (scene: what is shown; layout, svg: where and how).
    convert, rfc8345: from and to other formats (topology, xmlin, sndlib, rspec: its pieces).

Inside the loader: text (YAML to a tree with places), report (collecting errors), draft (a graph
being read), values, elements, wiring, constraints, placements (its pieces), check (the whole).
"""
