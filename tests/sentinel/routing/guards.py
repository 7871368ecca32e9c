"""Guards as routing sees them."""

import polars as pl


class FewGuards:
    """A rule that needs GetObject, and one that needs what a role does."""

    digest = "g1"

    def expression(self, table, columns):
        return pl.col("EventName") == "GetObject" if table == "AWSCloudTrail" else None

    def rules_of(self, table, columns):
        return [("reads", pl.col("EventName") == "GetObject"), ("whole table", pl.lit(value=True))]


class NoGuards:
    digest = ""

    def expression(self, table, columns):
        return None

    def rules_of(self, table, columns):
        return []
