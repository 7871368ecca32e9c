"""Digests side by side: links, holes, restarts, forks, and what is covered."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3sentinel_assets.integrity import (
    Coverage,
    GapKind,
    Reason,
    check_digest,
    find_gaps,
    judge_links,
    judge_log,
    judge_unlisted,
)
from s3sentinel_assets.ledger.engine import to_micros
from s3sentinel_assets.ledger.schema import DigestState, Integrity
from s3sentinel_assets.pipeline.digest_reading import as_link
from tests.integrity.chains import LONG, START, chain, key_entry, keys

HOUR = 3_600_000_000
NOW = START + timedelta(days=3)
VERIFIED, FAILED, UNPROVED = DigestState.VERIFIED, DigestState.FAILED, DigestState.UNPROVED


def link(number, made, *entries, **other):
    return as_link(number, check_digest(made.found(**other), keys(*entries), now=NOW))


def links(made, *entries):
    return [link(number, each, *entries) for number, each in enumerate(made)]


def window(made):
    return to_micros(made[0].start), to_micros(made[-1].end)


def gaps(made, without=()):
    first, last = window(made)
    return find_gaps([each for number, each in enumerate(links(made)) if number not in without], first, last)


def told(verdicts):
    return {verdict.id: (verdict.state, verdict.reason) for verdict in verdicts}


def test_a_whole_chain_has_no_gap_and_changes_no_verdict():
    made = chain(6).digests
    assert gaps(made) == []
    assert judge_links(links(made)) == []


def test_hours_without_events_have_empty_digests_and_are_no_gap():
    made = chain(0)
    for logs in (2, 0, 0, 1):
        made.add(logs=logs)
    assert gaps(made.digests) == []


@pytest.mark.parametrize("place", [1, 2, 3, 4])
def test_one_missing_digest_is_a_gap_of_its_hour(place):
    made = chain(6).digests
    (gap,) = gaps(made, {place})
    assert (gap.kind, gap.hours, gap.key) == (GapKind.MISSING, 1, made[place].key)
    assert gap.start == to_micros(made[place].start)
    assert made[place].key in gap.text


def test_two_missing_neighbours_are_a_gap_of_two_hours():
    made = chain(6).digests
    (gap,) = gaps(made, {2, 3})
    assert (gap.kind, gap.hours, gap.start) == (GapKind.MISSING, 2, to_micros(made[2].start))


def test_missing_digests_at_the_beginning_of_the_time_are_seen():
    made = chain(6).digests
    (gap,) = gaps(made, {0, 1, 2})
    assert (gap.kind, gap.hours) == (GapKind.MISSING, 3)


def test_missing_digests_at_the_end_of_the_time_are_seen():
    (gap,) = gaps(chain(6).digests, {4, 5})
    assert (gap.kind, gap.hours) == (GapKind.ENDED, 2)


def test_a_chain_that_begins_in_the_time_has_no_gap_before():
    made = chain(3).digests
    first, last = window(made)
    assert find_gaps(links(made), first - 5 * HOUR, last) == []


def test_logging_that_was_stopped_and_started_is_told_from_missing_digests():
    made = chain(2)
    made.pause(3)
    made.add(linked=False)
    (gap,) = gaps(made.digests)
    assert (gap.kind, gap.hours) == (GapKind.RESTARTED, 3)


def test_a_restart_without_a_pause_is_no_gap():
    made = chain(2)
    made.add(linked=False)
    made.add()
    assert gaps(made.digests) == []


def test_a_forged_beginning_of_a_chain_does_not_hide_missing_digests():
    made = chain(2)
    made.pause(2)
    forged = made.add(linked=False)
    first, last = window(made.digests)
    forged_links = [*links(made.digests[:2]), link(2, forged, key_entry("second"))]
    assert forged_links[2].state is UNPROVED
    (gap,) = find_gaps(forged_links, first, last)
    assert gap.kind is GapKind.MISSING


def test_time_that_cloudtrail_itself_left_out_is_told_as_such():
    made = chain(2)
    made.pause(0.5)
    made.add()
    (gap,) = gaps(made.digests)
    assert (gap.kind, gap.hours) == (GapKind.SKIPPED, 0.5)


def test_a_predecessor_in_another_bucket_is_not_called_missing():
    old, made = chain(2, bucket="old-bucket"), chain(0)
    made.end = old.end
    made.digests.append(old.digests[-1])
    made.add()
    made.digests = made.digests[1:]
    first, last = window(made.digests)
    (gap,) = find_gaps(links(made.digests), first - HOUR, last)
    assert gap.kind is GapKind.ELSEWHERE
    assert (gap.key or "").startswith("s3://old-bucket/")


def test_overlapping_digests_are_told():
    made = chain(2)
    made.end -= timedelta(minutes=20)
    made.add()
    (gap,) = gaps(made.digests)
    assert gap.kind is GapKind.OVERLAP


def test_a_failed_digest_is_no_gap_but_covers_nothing():
    made = chain(3).digests
    broken = [link(0, made[0]), link(1, made[1], signature="00" * 256), link(2, made[2])]
    assert find_gaps(broken, *window(made)) == []
    assert judge_links(broken) == []
    assert Coverage(broken).over(*window(made)) == "broken"


def test_no_gap_is_reported_outside_the_time():
    made = chain(8).digests
    kept = [each for number, each in enumerate(links(made)) if number not in (1, 6)]
    assert find_gaps(kept, to_micros(made[3].start), to_micros(made[5].start)) == []


def test_a_successor_proves_a_digest_whose_signature_was_lost():
    made = chain(4).digests
    lost = [link(n, each, signature=None if n < 3 else each.signature) for n, each in enumerate(made)]
    assert [each.state for each in lost] == [UNPROVED, UNPROVED, UNPROVED, VERIFIED]
    assert told(judge_links(lost)) == dict.fromkeys((0, 1, 2), (VERIFIED, Reason.VOUCHED_FOR))


def test_a_successor_convicts_a_digest_that_was_changed_and_stripped_of_its_signature():
    made = chain(3).digests
    other = chain(3, trail="management_events").digests[1]
    changed = replace(link(1, made[1], signature=None), content_sha256="0" * 64)
    assert told(judge_links([link(0, made[0]), changed, link(2, made[2])])) == {1: (FAILED, Reason.CONTENT_CHANGED)}
    assert other.key == made[1].key


def test_a_successor_convicts_a_digest_signed_with_a_key_of_somebody_else():
    made = chain(3)
    forger = chain(1)
    forger.key_name = "forger"
    forged = forger.add(logs=0)
    assert forged.key == made.digests[1].key
    found = [link(0, made.digests[0]), link(1, forged), link(2, made.digests[2])]
    assert found[1].state is UNPROVED
    assert told(judge_links(found)) == {1: (FAILED, Reason.CONTENT_CHANGED)}


def test_an_unproved_successor_proves_nothing():
    made = chain(2).digests
    assert judge_links([link(n, each, signature=None) for n, each in enumerate(made)]) == []


def test_a_digest_that_names_another_predecessor_than_the_verified_one_fails():
    made = chain(2)
    wrong = made.add(previousDigestHashValue="0" * 64)
    assert told(judge_links(links(made.digests))) == {2: (FAILED, Reason.WRONG_LINK)}
    made.digests.remove(wrong)
    made.end -= timedelta(hours=1)
    made.add(previousDigestSignature="00" * 256)
    assert told(judge_links(links(made.digests))) == {2: (FAILED, Reason.WRONG_LINK)}


def test_of_two_digests_with_one_predecessor_the_one_that_follows_on_it_is_right():
    made = chain(2)
    good = made.add()
    previous = {name: value for name, value in good.values.items() if name.startswith("previous")}
    made.add(**previous)
    assert told(judge_links(links(made.digests))) == {3: (FAILED, Reason.FORK)}


def test_the_order_of_the_digests_does_not_matter():
    made = chain(5).digests
    found = links(made)
    found[2] = link(2, made[2], signature=None)
    first, last = window(made)
    for order in (found, found[::-1], found[2:] + found[:2]):
        assert told(judge_links(order)) == {2: (VERIFIED, Reason.VOUCHED_FOR)}
        assert find_gaps(order, first, last) == []


def test_a_key_rotated_in_the_middle_breaks_nothing():
    made = chain(2)
    made.key_name = "second"
    made.add()
    made.add()
    turn = made.digests[1].end + timedelta(minutes=1)
    entries = key_entry(valid=(LONG[0], turn)), key_entry("second", valid=(turn, LONG[1]))
    found = links(made.digests, *entries)
    assert [each.state for each in found] == [VERIFIED] * 4
    assert judge_links(found) == []
    assert find_gaps(found, *window(made.digests)) == []


def test_a_changed_copy_beside_the_verified_digest_takes_nothing_away():
    made = chain(3).digests
    found = [*links(made), link(9, made[1], signature="00" * 256)]
    assert judge_links(found) == []
    assert find_gaps(found, *window(made)) == []
    assert Coverage(found).over(*window(made)) == "whole"


def test_backfill_digests_are_linked_but_have_no_rhythm():
    made = chain(1)
    for pause in (5, 1, 7):
        made.pause(pause)
        made.add(backfill_at=NOW)
    first, last = to_micros(START), to_micros(made.end + timedelta(days=1))
    found = links(made.backfills)
    assert find_gaps(found, first, last, backfill=True) == []
    (gap,) = find_gaps([found[0], found[2]], first, last, backfill=True)
    assert (gap.kind, gap.key) == (GapKind.MISSING, made.backfills[1].key)
    assert find_gaps(found[2:], to_micros(made.backfills[2].start), last, backfill=True) == []


@given(st.sets(st.integers(0, 7)), st.sets(st.integers(0, 7)))
def test_missing_and_failed_hours_are_never_covered(missing, failed):
    made = _EIGHT
    found = [
        replace(each, state=FAILED) if number in failed else each
        for number, each in enumerate(made)
        if number not in missing
    ]
    coverage = Coverage(found)
    for number in range(8):
        answer = coverage.over(made[number].start, made[number].end)
        if number in missing | failed:
            assert answer in ("broken", "later", "before"), (number, answer)
        else:
            assert answer == "whole"
    lost = sum(gap.hours for gap in find_gaps(found, made[0].start, made[-1].end)) if found else 8
    assert lost == len(missing)


_EIGHT = [replace(each, state=VERIFIED) for each in links(chain(8).digests)]


def test_coverage_tells_what_may_still_come():
    first, last = _EIGHT[0].start, _EIGHT[-1].end
    coverage = Coverage(_EIGHT)
    assert coverage.over(first, last) == "whole"
    assert coverage.over(last - 1, last + 1) == "later"
    assert coverage.over(last + HOUR, last + 2 * HOUR) == "later"
    assert coverage.over(first - 2 * HOUR, first) == "before"
    assert coverage.over(first - HOUR, first + 1) == "broken"
    assert Coverage(_EIGHT[1:]).over(first, first + HOUR) == "broken"


# what follows for log files

SHA, OTHER = "a" * 64, "b" * 64


@pytest.mark.parametrize(
    ("listings", "content", "problem", "status", "reason"),
    [
        ([], SHA, None, Integrity.PENDING, None),
        ([(SHA, VERIFIED)], SHA, None, Integrity.VERIFIED, None),
        ([(SHA, VERIFIED), (SHA, VERIFIED)], SHA, None, Integrity.VERIFIED, None),
        ([(SHA, VERIFIED), (OTHER, UNPROVED)], SHA, None, Integrity.VERIFIED, None),
        ([(OTHER, VERIFIED), (SHA, FAILED)], SHA, None, Integrity.FAILED, Reason.CONTENT_CHANGED),
        ([(SHA, VERIFIED), (OTHER, VERIFIED)], SHA, None, Integrity.FAILED, Reason.DIGESTS_DISAGREE),
        ([(SHA, UNPROVED)], SHA, None, Integrity.UNPROVED, Reason.DIGEST_NOT_PROVED),
        ([(OTHER, FAILED)], SHA, None, Integrity.UNPROVED, Reason.DIGEST_NOT_PROVED),
        ([(SHA, VERIFIED)], None, None, Integrity.UNPROVED, Reason.NOT_HASHED),
        ([(SHA, VERIFIED)], SHA, Reason.MORE_THAN_ONE_MEMBER, Integrity.FAILED, Reason.MORE_THAN_ONE_MEMBER),
        ([], SHA, Reason.TRAILING_BYTES, Integrity.FAILED, Reason.TRAILING_BYTES),
    ],
)
def test_a_log_file_is_judged_by_the_digests_that_list_it(listings, content, problem, status, reason):
    found, why, note = judge_log(listings, content, problem)
    assert (found, why) == (status, reason)
    assert (note is None) == (reason is None)


def test_a_log_file_that_no_digest_lists_is_judged_by_those_that_should():
    first, last = _EIGHT[0].start, _EIGHT[-1].end
    whole, holed = Coverage(_EIGHT), Coverage([*_EIGHT[:3], *_EIGHT[4:]])
    at = _EIGHT[3].start + 5
    assert judge_unlisted(at, [whole])[0] is Integrity.UNCOVERED
    assert judge_unlisted(at, [])[0] is Integrity.PENDING
    assert judge_unlisted(last - HOUR, [whole])[0] is Integrity.PENDING
    assert judge_unlisted(at, [holed])[0] is Integrity.UNPROVED
    assert judge_unlisted(at, [whole, holed])[0] is Integrity.UNPROVED
    assert judge_unlisted(first - 5 * HOUR, [whole])[0] is Integrity.PENDING


@pytest.mark.parametrize("state", [FAILED, UNPROVED])
def test_digests_that_are_not_verified_neither_cover_nor_shield(state):
    whole, at = Coverage(_EIGHT), _EIGHT[3].start + 5
    forged = replace(_EIGHT[3], id=99, key="other", state=state, previous_key=None)
    assert judge_unlisted(at, [whole, Coverage([forged])])[0] is Integrity.UNCOVERED
    assert judge_unlisted(at, [Coverage([forged])])[0] is Integrity.PENDING
    longer = Coverage([*_EIGHT, replace(forged, end=_EIGHT[-1].end + 9 * HOUR)])
    assert judge_unlisted(_EIGHT[-1].end, [longer])[0] is Integrity.PENDING
    assert judge_unlisted(at, [whole], named=True)[0] is Integrity.UNCOVERED


def test_a_log_file_that_only_unproved_digests_list_stays_unproved_while_others_are_missing():
    at, holed = _EIGHT[3].start + 5, Coverage([*_EIGHT[:3], *_EIGHT[4:]])
    for chains in ([], [holed], [Coverage(_EIGHT[:3])]):
        assert judge_unlisted(at, chains, named=True)[:2] == (Integrity.UNPROVED, Reason.DIGEST_NOT_PROVED)


def test_a_digest_that_is_not_verified_fills_an_hour_at_most():
    wide = replace(_EIGHT[5], id=99, key="wide", state=UNPROVED, start=_EIGHT[2].start)
    (gap, *_) = find_gaps([*_EIGHT[:2], wide, *_EIGHT[6:]], _EIGHT[0].start, _EIGHT[-1].end)
    assert (gap.kind, gap.hours) == (GapKind.MISSING, 3)
    assert not gap.proved, "a forger says so"
    (gap,) = find_gaps([*_EIGHT[:2], *_EIGHT[6:]], _EIGHT[0].start, _EIGHT[-1].end)
    assert gap.proved
