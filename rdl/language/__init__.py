"""The language as text: loading (strict, every error with its place), writing, formatting, schema.

Knows the graph (`rdl.graph`) and the vocabulary; the only place that knows YAML.
"""
