"""The small charts: short enough to be drawn in place, one bar an hour, each figure asked for once."""

from urllib.parse import unquote
from xml.etree import ElementTree as ET

from s3sentinel_assets.assets.chart import HOURS_SHOWN, HourChart, bar_chart
from s3sentinel_assets.hours import hour_range, shift_hour
from tests.stages import hour

LAST = hour(20)
ALL = list(hour_range(shift_hour(LAST, 1 - HOURS_SHOWN), LAST))


def picture(markdown: str) -> ET.Element:
    uri = markdown.partition("(data:image/svg+xml,")[2].partition(")")[0]
    assert not set(uri) & set(" <>#'\"()")
    return ET.fromstring(unquote(uri))


def bars(markdown: str) -> tuple[list[str], list[str]]:
    before, now, _ = picture(markdown)
    return [[bar for bar in path.get("d").split("M") if bar] for path in (before, now)]


def test_a_chart_of_large_figures_is_still_drawn_in_place():
    text = bar_chart(dict.fromkeys(ALL, 123_456_789_012) | {ALL[3]: 999_999_999_999}, LAST, "delivered events").value
    assert len(text) < 1000  # the UI hides longer markdown behind a link
    before, now = bars(text)
    assert (len(before), len(now)) == (HOURS_SHOWN - 1, 1)


def test_bars_are_in_proportion_and_the_hour_has_its_own_colour():
    text = bar_chart({ALL[0]: 100, ALL[1]: 50, ALL[2]: 1, LAST: 75}, LAST, "records").value
    before, now = bars(text)
    heights = [int(bar.partition("v-")[2]) for bar in before]
    assert heights[0] == 2 * heights[1]
    assert heights[2] == 1  # not invisible
    assert 0.7 < int(now[0].partition("v-")[2]) / heights[0] < 0.8
    assert f"75 records in this hour (orange); most of 48 hours: 100 in {ALL[0]}" in text


def test_hours_without_anything_have_no_bar():
    text = bar_chart({}, LAST, "records").value
    assert bars(text) == ([], []) or bars(text) == [[], []]
    assert text.endswith("0 records in this hour (orange)")


def test_a_day_asks_for_the_past_once_and_for_each_hour_once():
    asked = []

    def fetch(first, last):
        asked.append((first, last))
        return {key: int(key[11:13]) + 1 for key in hour_range(first, last)}

    chart = HourChart(fetch, "records")
    day = [hour(number) for number in range(24)]
    texts = [chart.of(key).value for key in day]
    assert asked == [(shift_hour(day[0], -47), day[0]), *((key, key) for key in day[1:])]
    assert texts[-1] == bar_chart(fetch(shift_hour(day[-1], -47), day[-1]), day[-1], "records").value


def test_hours_apart_are_filled_in_and_going_back_starts_anew():
    asked = []

    def fetch(first, last):
        asked.append((first, last))
        return {}

    chart = HourChart(fetch, "records")
    for key in (hour(3), hour(7), hour(7), hour(2)):
        chart.of(key)
    assert asked == [
        (shift_hour(hour(3), -47), hour(3)),
        (hour(4), hour(7)),
        (shift_hour(hour(7), -47), hour(7)),
        (shift_hour(hour(2), -47), hour(2)),
    ]
