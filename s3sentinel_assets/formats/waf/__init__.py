"""AWS WAF logs.

Belongs here: the format and its ASIM columns. Does not belong here: cutting JSON (``json_logs``).
"""
