"""Anomaly: detectors that turn bits per term into one calibrated score whose parts can be printed.

Belongs here: the additive detector, its calibration and files, fitting it, challengers to compare it with. Does not
belong here: the terms (``features``), reasons in words (``scoring``), where models are registered (``registry``).
"""
