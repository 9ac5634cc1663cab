"""Embedding plugins: one way each to bring about what is mapped onto a type of substrate."""
