"""``python -m evaluation``: measures the scoring on a benign background with attacks of others put into it.

Belongs here: the background, the attacks, their replay and the report. Does not belong here: anything the product
imports; what both the gate of a promotion and this measurement need is in ``s3sentinel_assets.ml.evaluation``.
"""
