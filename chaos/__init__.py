"""``python -m chaos``: a proof of delivery's exactly-once effect within its bound, by killing it again and again.

Belongs here: what is common to that proof and to the tests that kill workers. Does not belong here: anything the
product imports.
"""
