"""Evaluation: what scores and priorities are worth on events whose truth is known.

Belongs here: attacks put into benign events (``victims``, ``transplant``), figures over scored events (``truth``,
``metrics``, ``outcomes``, ``slices``) and their intervals (``bootstrap``); pure functions over frames. Does not belong
here: where events and attacks come from, replaying them, reports (the folder ``evaluation`` beside the package).
"""
