"""The migration question: can that much be freed, by which moves, at what cost (paper, 3.2).

Answers with the front of plans and with moves in an order that can be carried out.
"""
