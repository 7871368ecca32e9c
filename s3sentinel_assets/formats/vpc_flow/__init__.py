"""VPC flow logs as text and as Parquet: any field order by header, versions 2 to 8 and later.

Belongs here: the fields, the parser, their columns in ``AWSVPCFlow`` and the entities. Does not belong here: transit
gateway flow logs, which are a format of their own, and decoding Parquet (``containers``).
"""
