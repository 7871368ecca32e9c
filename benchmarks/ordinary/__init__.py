"""The ordinary Python way: what a competent engineer writes first.

Belongs here: gzip, json and split, a list of dictionaries, the same rarity model as loops over dictionaries, and the
SDK's ``upload(list)``. Does not belong here: tricks. It keeps no stage files, no ledger and no proof, does not look for
duplicates and cannot be taken up again half-way; it does the same parsing, scoring, learning and upload.
"""
