"""VPC flow logs as text: any field order by header, versions 2 to 8 and later.

Belongs here: the fields, the parser, their columns in ``AWSVPCFlow`` and the entities. Does not belong here: transit
gateway flow logs and Parquet files, which are formats of their own.
"""
