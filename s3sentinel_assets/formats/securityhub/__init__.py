"""Security Hub findings.

Belongs here: the format, its fields and ASIM columns. Does not belong here: findings in OCSF (``ocsf``).
"""
