"""The independent verifier: reads the contract against the graphs.

It shares no code with the solvers.
"""

from mip.verify.verifier import verify

__all__ = ["verify"]
