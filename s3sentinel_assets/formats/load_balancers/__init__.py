"""Access logs of Application, Network and classic load balancers.

Belongs here: the three formats. Does not belong here: cutting lines (``line_logs``).
"""
