"""Infrastructure that the connector needs in the clouds, written from the same schemas that it sends by.

Belongs here: one package for each cloud side (``aws``, ``azure``). Does not belong here: sending (``sentinel``),
the local stand-ins (``local``), options and printing (``cli``).
"""
