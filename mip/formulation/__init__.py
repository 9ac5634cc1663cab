"""The mixed-integer program: the arc-flow formulation of node and path mapping together.

Builds programs from compiled instances and reads mappings out of solutions; solves none.
"""
