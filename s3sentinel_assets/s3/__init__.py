"""The S3 handler: sessions, listing and reading of what lies in a bucket.

Belongs here: everything that calls AWS. Does not belong here: what the bytes mean (``containers``, ``formats``) or
what has been done with them (``ledger``).
"""
