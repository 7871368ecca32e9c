"""VPC flow logs as text and as Parquet: any field order by header or settings, versions 2 to 10 and later.

Belongs here: the fields, the parser, their columns. Does not belong here: transit gateway flow logs, which are a format
of their own, what both have in common (``flow_logs``), and decoding Parquet (``containers``).
"""
