"""The resource description language: text to graph and back, checked and compared.

Import the submodule you need; this package's own import stays free of YAML and networkx.

Modules:
    graph: the graph as immutable values (elements, interfaces, connections, constraints, mapping).
    errors: the error tree, with places in the text.
    vocabulary, units, types: what the language knows by name, as data.

Packages:
    language: text to graph, strict, and back: load, dump, brief (the shorthand), fmt, schema.
    compare: match (does an offer meet a demand), diff.
    federation: complete (OL0 to OL1), choices, aggregate, partition, merge.
    convert: from and to other formats.
    draw: pictures.
"""
