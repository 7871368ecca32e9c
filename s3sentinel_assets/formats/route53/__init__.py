"""Route 53: Resolver query logs and logs of public hosted zones.

Belongs here: the two formats. Does not belong here: DNS logs of others (``zeek``).
"""
