"""Audit logs of RDS and Aurora: MySQL, MariaDB, PostgreSQL.

Belongs here: the format in its dialects. Does not belong here: the databases' other logs.
"""
