"""CloudFront: standard logs (legacy and v2) and real-time logs.

Belongs here: the two formats and their columns. Does not belong here: other W3C logs (``w3c``).
"""
