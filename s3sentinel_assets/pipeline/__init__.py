"""The pipeline's stages in ledger terms: what is done to the parts of one source and hour, and how that is recorded.

Belongs here: taking leases, calling the pure parts (``s3``, ``formats``, ``ml``, ``sentinel``), writing stage files and
committing results. Does not belong here: anything of Dagster (``assets``), parsing, scoring or sending themselves.
"""
