"""Features: each event against history and the earlier events of its hour, as bits with the counts behind them.

Belongs here: look-ups and terms, unweighted. Does not belong here: how terms become a score (``scoring``, ``anomaly``).
"""
