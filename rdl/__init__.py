"""The resource description language: text to graph and back, checked and compared.

Import the submodule you need; this package's own import stays free of YAML and networkx.

Modules:
    graph: the graph as immutable values (elements, interfaces, connections, constraints, mapping).
    errors: the error tree, with places in the text.
"""
