"""CEF and LEEF: security events of devices, with or without a syslog header.

Belongs here: the two formats and their dictionary of keys. Does not belong here: plain syslog (``syslog``).
"""
