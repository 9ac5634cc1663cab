"""Negotiation: stage one, stage two, and the steps between states (paper, section 5)."""
