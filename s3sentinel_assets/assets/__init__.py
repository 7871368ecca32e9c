"""The assets of a source, one module each, in pipeline order: raw, parsed, state, scored, delivered.

Belongs here: wiring - which stage an asset runs, what it leans on, what the UI shows. Does not belong here: the work
itself (``pipeline``) and what Dagster loads (``definitions``).
"""
