"""Graphs compared: whether an offer meets a demand (`match`), what differs between two (`diff`)."""
