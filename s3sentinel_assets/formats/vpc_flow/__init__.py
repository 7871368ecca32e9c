"""VPC flow logs as text and as Parquet: any field order by header or settings, versions 2 to 10 and later.

Source: AWS, "Flow log records", section "Available fields"
(docs.aws.amazon.com/vpc/latest/userguide/flow-log-records.html).

Belongs here: the fields, the parser, their columns. Does not belong here: transit gateway flow logs, which are a format
of their own, what both have in common (``flow_logs``), and decoding Parquet (``containers``).
"""
