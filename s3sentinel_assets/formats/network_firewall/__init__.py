"""AWS Network Firewall logs.

Belongs here: the format, its fields and ASIM columns. Does not belong here: cutting JSON (``json_logs``).
"""
