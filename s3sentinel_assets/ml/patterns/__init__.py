"""Patterns: which kind each event is of, which kinds are known, how often they come.

Belongs here: pure functions from frames to frames. Does not belong here: files, parts and hours (``pipeline``).

An event's pattern is a hash of its structure (JSON, tables) or the template of its text. The order of the modules is
the way of an event: ``recipes`` (what counts), ``masks`` and ``keys`` (what certainly is a value), ``skeletons``,
``matching`` with the ``catalogue`` of the day, which ``mining`` has made; ``rates`` says what is usual, ``absence`` who
has stayed away.
"""

from s3sentinel_assets.ml.patterns.catalogue import CATALOGUE_VERSION, COUNT_SCHEMA, Catalogue, empty_catalogue, fit
from s3sentinel_assets.ml.patterns.counting import PartPatterns, count_patterns
from s3sentinel_assets.ml.patterns.matching import match
from s3sentinel_assets.ml.patterns.mining import mine
from s3sentinel_assets.ml.patterns.novelty import CHANGE_SCHEMA, absences, changes
from s3sentinel_assets.ml.patterns.recipes import recipe_of
from s3sentinel_assets.ml.patterns.skeletons import needed_columns, printable, skeletons

__all__ = [
    "CATALOGUE_VERSION",
    "CHANGE_SCHEMA",
    "COUNT_SCHEMA",
    "Catalogue",
    "PartPatterns",
    "absences",
    "changes",
    "count_patterns",
    "empty_catalogue",
    "fit",
    "match",
    "mine",
    "needed_columns",
    "printable",
    "recipe_of",
    "skeletons",
]
