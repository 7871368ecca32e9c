"""Zeek logs, as TSV and as JSON.

Belongs here: the two forms and the tables they fill. Does not belong here: cutting lines and JSON.
"""
