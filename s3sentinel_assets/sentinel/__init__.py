"""Delivery to Microsoft Sentinel: rows become batches, batches become requests, and every outcome is written down.

Belongs here: rendering, packing, the plan, the ingestion client, delivery, the resolution of unknown batches and the
query client. Does not belong here: how rows were made (``formats``), how they were scored (``ml``), the ledger's tables
(``ledger``) or waiting for leases of other stages (``pipeline``).
"""
