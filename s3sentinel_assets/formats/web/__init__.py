"""Web servers' access logs, and what all logs of web requests share.

Belongs here: the Apache and nginx format; requests, URLs and sessions. Does not belong here: other logs of requests.
"""
