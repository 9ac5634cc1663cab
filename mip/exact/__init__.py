"""Exact methods: which way to solve (`strategy`), and the ways.

By placements, by halving the range of the peak (min-max), by counting hosts, as the whole program.
"""
