"""Embedding: a substrate, what is embedded on it and a request, to a mapping or to reasons.

Cannot share an environment with PyPI's `mip` (python-mip): import the submodules
(`from mip.mapping import map_request`), so that a collision fails loudly.
"""
