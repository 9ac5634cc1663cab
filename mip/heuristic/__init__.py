"""Mappings found without a proof: local search over placements."""
