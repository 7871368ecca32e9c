"""CloudWatch Logs: subscription records and export files, and the logs of other formats inside them.

Belongs here: the two formats. Does not belong here: the formats of the messages.
"""
