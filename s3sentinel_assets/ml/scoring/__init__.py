"""Scoring: features, detector, priority table and words put together for a batch.

Belongs here: `score.score`, the model bundle it needs, reasons. Does not belong here: fitting (``anomaly``), what makes
an event urgent (``priority``).
"""
