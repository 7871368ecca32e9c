"""The benign background: a generator of a company's CloudTrail events, and anyone's own CloudTrail folder instead.

Belongs here: what is not an attack, hour by hour, in the entity view's columns. Does not belong here: attacks
(``evaluation.attacks``). It was written and fixed before the detector was tuned, and knows nothing of it.
"""

from evaluation.background.events import WORLD_SCHEMA
from evaluation.background.reading import Folder, read_background
from evaluation.background.world import START, World, make_world

__all__ = ["START", "WORLD_SCHEMA", "Folder", "World", "make_world", "read_background"]
