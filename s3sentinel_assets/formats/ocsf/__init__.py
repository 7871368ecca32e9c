"""OCSF events, as Security Lake keeps them in Parquet and others write them as JSON.

Belongs here: the format, its fields and the tables its classes fill. Does not belong here: decoding Parquet
(``containers``).
"""
