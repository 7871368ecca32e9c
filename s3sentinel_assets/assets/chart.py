"""A small bar chart over the hours up to one hour, as markdown that the UI draws in place.

Belongs here: drawing, and fetching each figure once for all hours of a run. Does not belong here: the query
(`ledger.progress`).
"""

from collections.abc import Callable, Mapping

import dagster as dg

from s3sentinel_assets.hours import hour_range, shift_hour

__all__ = ["HOURS_SHOWN", "HourChart", "bar_chart"]

HOURS_SHOWN = 48

_BAR, _HEIGHT = 9, 48
# Legible on the light and on the dark theme.
_BEFORE, _NOW, _BASE = "#7c74e8", "#e8710a", "#8888"


def _in_uri(svg: str) -> str:
    """The picture as a data URI. Markdown of more than 999 characters is hidden behind a link, so it stays short."""
    for sign, code in {"<": "%3C", ">": "%3E", "#": "%23", " ": "%20", "'": "%27"}.items():
        svg = svg.replace(sign, code)
    return f"data:image/svg+xml,{svg}"


def bar_chart(values: Mapping[str, int], hour: str, what: str, hours: int = HOURS_SHOWN) -> dg.MarkdownMetadataValue:
    """One bar for each of the hours up to ``hour``, which has a colour of its own.

    Args:
        values: hour → figure; an hour that is missing has none.
        hour: the last hour.
        what: what is counted, in the plural.
        hours: how many hours are shown.
    """
    shown = {key: values.get(key, 0) for key in hour_range(shift_hour(hour, 1 - hours), hour)}
    most = max(shown.values())
    width, bars, place = hours * _BAR, {False: "", True: ""}, 0
    for place, (key, value) in enumerate(shown.items()):
        if value > 0:
            # At least a pixel: a small hour differs from an empty one.
            height = max(round(value / most * _HEIGHT), 1)
            bars[key == hour] += f"M{place * _BAR + 4},{_HEIGHT}v-{height}"
    svg = (
        f"<svg xmlns='http://www.w3.org/2000/svg' width='{width}' height='{_HEIGHT + 2}' stroke-width='7'>"
        f"<path d='{bars[False]}' stroke='{_BEFORE}'/><path d='{bars[True]}' stroke='{_NOW}'/>"
        f"<path d='M0,{_HEIGHT + 1}h{width}' stroke='{_BASE}' stroke-width='1'/></svg>"
    )
    peak = max(shown, key=lambda key: shown[key])
    words = f"{shown[hour]:,} {what} in this hour (orange)"
    if most and peak != hour:
        words += f"; most of {hours} hours: {most:,} in {peak}"
    return dg.MetadataValue.md(f"![{what} per hour]({_in_uri(svg)})\n\n{words}")


class HourChart:
    """Charts for the hours of one run: what came before is asked for once, each hour's own figure with the hour."""

    def __init__(self, fetch: Callable[[str, str], Mapping[str, int]], what: str) -> None:
        """Remembers how to fetch.

        Args:
            fetch: first and last hour → figures of the hours that have any.
            what: what is counted, in the plural.
        """
        self._fetch, self._what = fetch, what
        self._values: dict[str, int] = {}
        self._from = self._to = ""

    def of(self, hour: str) -> dg.MarkdownMetadataValue:
        """The chart that ends with ``hour``, its figure being fresh."""
        first = shift_hour(hour, 1 - HOURS_SHOWN)
        if self._from <= first <= self._to < hour:
            self._values |= self._fetch(shift_hour(self._to, 1), hour)
        else:
            self._values = dict(self._fetch(first, hour))
            self._from = first
        self._to = hour
        return bar_chart(self._values, hour, self._what)
