"""AWS Config: snapshots, history files and notices.

Belongs here: the format. Does not belong here: cutting JSON (``json_logs``).
"""
