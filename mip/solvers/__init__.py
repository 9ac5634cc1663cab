"""Mixed 0/1 programs as plain arrays, and the solvers (CBC, HiGHS) behind one interface.

Knows nothing of networks: this is the only place that touches PuLP and highspy.
"""
