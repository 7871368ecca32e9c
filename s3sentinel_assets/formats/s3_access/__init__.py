"""S3 server access logs.

Belongs here: the format. Does not belong here: cutting lines (``line_logs``).
"""
