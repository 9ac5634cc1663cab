"""Lower bounds: shortest paths between candidates, candidates fixed out, bucket elimination.

Knows compiled instances and objectives; finds no mapping.
"""
