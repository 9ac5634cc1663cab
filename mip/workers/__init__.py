"""Solving in processes of its own: bounded, cancelled at once, never blocking a server."""
