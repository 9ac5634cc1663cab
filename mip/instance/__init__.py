"""A problem compiled: the substrate network, residual capacities, candidates, constraints.

Whatever can't be part of any mapping is filtered out here. Knows no objective and no solver.
"""
