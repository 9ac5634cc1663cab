"""Solving in processes of its own: bounded, cancelled at once, never blocking a server."""

from mip.workers.process import Solving, map_in_process, start_mapping

__all__ = ["Solving", "map_in_process", "start_mapping"]
