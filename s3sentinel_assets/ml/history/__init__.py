"""History: what entities have done, as exact counts that fade, and what the current hour has shown so far.

Belongs here: which keys are counted, state and in-hour counters, how they advance, their files. Does not belong here:
what the counts say about an event (``features``).
"""
