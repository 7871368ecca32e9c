"""Formats that say nothing of who wrote them: JSON lines, CSV, logfmt.

Belongs here: these formats, and finding time, level, host and message by the usual names. Does not belong here: any log
whose fields are known.
"""
