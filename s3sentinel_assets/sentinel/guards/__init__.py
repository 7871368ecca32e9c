"""Guards of routing: rows that analytics rules need are never sent to a cheaper table.

Belongs here: from a rule's KQL to the rows it needs of each table (``extract``), the file with them (``model``). Does
not belong here: routing itself (``routing``), running rules (``s3sentinel_assets.rules``).

The list is data, made from the rules by ``s3sentinel rules guards``. It may be too wide and is never too narrow: what
is not understood of a query makes it wider.
"""

from s3sentinel_assets.sentinel.guards.extract import RuleText, extract, make_guards, own_workspace
from s3sentinel_assets.sentinel.guards.model import GuardFile, Guards, RuleGuard, TableGuard, load_guards, write_guards

__all__ = [
    "GuardFile",
    "Guards",
    "RuleGuard",
    "RuleText",
    "TableGuard",
    "extract",
    "load_guards",
    "make_guards",
    "own_workspace",
    "write_guards",
]
