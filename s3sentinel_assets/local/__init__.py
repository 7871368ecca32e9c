"""Stand-ins for the two cloud sides, so that everything runs on a laptop with no account.

Belongs here: what imitates AWS, Azure and the systems that write logs. Does not belong here: product code; nothing
outside ``cli`` and the tests imports this package, and it imports only ``tables``, ``config``, ``errors`` and
``hours``.
"""
