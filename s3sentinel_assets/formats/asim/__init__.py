"""ASIM, Sentinel's common model of events: its common columns, and how values are rewritten for it.

Belongs here: what several formats need to fill ASIM tables. Does not belong here: any one format's mapping.
"""

from s3sentinel_assets.formats.asim.common import MANDATORY, RESULTS, SCHEMAS, SEVERITIES, asim_columns

__all__ = ["MANDATORY", "RESULTS", "SCHEMAS", "SEVERITIES", "asim_columns"]
