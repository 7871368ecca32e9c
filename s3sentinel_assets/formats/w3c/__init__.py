"""W3C extended logs, such as those of IIS.

Belongs here: the format and its columns. Does not belong here: CloudFront's logs (``cloudfront``).
"""
