"""Credentials, and later encryption and the audit trail.

Belongs here: how secrets are read and turned into signed-in clients' credentials, never into text. Does not belong
here: the clients themselves (``s3``, ``sentinel``) or what the configuration looks like (``config``).
"""
