"""Priority: what is urgent, by tables that a detection engineer can read and change.

Belongs here: sensitivity of actions, the trailing hour of a principal, the table over both. Does not belong here: how
unusual an event is (``scoring``).
"""
