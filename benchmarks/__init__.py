"""The benchmark: the whole chain on one pinned core, next to the ordinary Python way on the same files.

Belongs here: seeded inputs, the sink, the two ways, rounds, report and chart. Does not belong here: anything the
product itself needs; the package is not installed with it. Run it with ``make bench`` or ``python -m benchmarks``.
"""
