"""Graphs compared: does an offer meet a demand (`match`); what differs (`diff`, and `report`)."""
