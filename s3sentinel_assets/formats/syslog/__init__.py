"""Syslog, RFC 3164 and RFC 5424.

Belongs here: header, structured data and frames. Does not belong here: what messages hold (``security_events``).
"""
