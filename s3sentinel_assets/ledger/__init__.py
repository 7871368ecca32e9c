"""The ledger: the transactional database that knows every object, part, stage result, state, batch and proof.

It is the only truth about what is done. Belongs here: tables, migrations and short transactions, one module a concept.
Does not belong here: reading logs, stage files or anything that talks to a cloud.
"""
