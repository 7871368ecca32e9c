"""Analysts' verdicts, from the command line, a file and closed incidents: recorded once, with what they are about."""

import json
from datetime import UTC, timedelta

import pytest

from s3sentinel_assets.hours import hour_key, hour_start, shift_hour, utc_now
from s3sentinel_assets.ledger.audit import decisions
from s3sentinel_assets.ledger.leases import take_lease
from s3sentinel_assets.ledger.verdicts import Origin, Word, verdicts
from s3sentinel_assets.pipeline import discovery, incidents, parsing
from tests.e2e import logs

TRAIL = "cloudtrail"
ALICE = f"{logs.ACCOUNT}/alice"


@pytest.fixture
def hour(world, hours, minute) -> str:
    """An hour with ten parsed events."""
    start = hour_start(hours[1])
    world.put(logs.key(TRAIL, start, "a.json.gz"), logs.cloudtrail(logs.records(start, 10)), minute(hours[1], 5))
    discovery.discover(world.runtime, TRAIL, [hours[1]])
    parsing.parse_hour(world.runtime, TRAIL, hours[1])
    return hours[1]


def event_id(hour: str, number: int) -> str:
    return f"{logs.ACCOUNT}:{logs.records(hour_start(hour), 1, number)[0]['eventID']}"


def command(world, capsys, *arguments: str) -> tuple[int, str, str]:
    from s3sentinel_assets.cli import main

    with pytest.raises(SystemExit) as ended:
        main(["feedback", *arguments, "--config", str(world.laptop.home / "s3sentinel.yaml")])
    said = capsys.readouterr()
    return int(ended.value.code or 0), said.out, said.err


def recorded(world):
    with world.runtime.ledger.read() as connection:
        return verdicts(connection)


def test_a_verdict_names_whose_event_it_is_and_stands_in_the_audit_trail(world, hour, capsys):
    about = ("--technique", "T1562.008", "--note", "seen in the console")
    code, out, _ = command(world, capsys, "give", "attack", "-e", event_id(hour, 3), *about)
    assert (code, out.startswith(f"attack: {event_id(hour, 3)} (")) == (0, True)
    (one,) = recorded(world)
    assert (one.verdict, one.source, one.hour, one.technique) == (Word.ATTACK, TRAIL, hour, "T1562.008")
    assert one.principal.endswith("alice")
    with world.runtime.ledger.read() as connection:
        (decision,) = decisions(connection)
    assert (decision.action, decision.target, decision.reason) == (
        "feedback give",
        event_id(hour, 3),
        "seen in the console",
    )
    code, out, _ = command(world, capsys, "list", "--json")
    assert json.loads(out)["event_id"] == event_id(hour, 3)
    assert command(world, capsys, "give", "benign", "--principal", ALICE, "--hour", hour)[0] == 0
    assert (recorded(world)[-1].principal, recorded(world)[-1].event_id) == (ALICE, None)


def test_an_event_that_nobody_knows_gets_one_sentence_and_nothing_is_recorded(world, hour, capsys):
    code, _, err = command(world, capsys, "give", "attack", "-e", event_id(hour, 1), "-e", "no-such-event")
    assert code == 1
    assert "no event no-such-event" in err
    assert "EventId_CF" in err
    assert recorded(world) == []
    assert command(world, capsys, "give", "attack", "--principal", "alice")[0] == 2


@pytest.mark.parametrize(
    ("about", "says"),
    [
        (
            ("--principal", "alice"),
            f"custom detail Principal or the column of AwsEntityHour_CL; that hour has {ALICE}",
        ),
        (("--principal", f"arn:aws:iam::{logs.ACCOUNT}:user/Alice"), f"that hour has {ALICE}"),
        (("--principal", ALICE.replace("alice", "alcie")), f"that hour has {ALICE}"),
        (("--principal", ALICE, "--account", "999999999999"), "of account 999999999999"),
        (("--principal", ALICE, "--source", "no-such-source"), "there is no source 'no-such-source'"),
    ],
)
def test_a_principal_who_was_not_there_gets_one_sentence_and_nothing_is_recorded(world, hour, capsys, about, says):
    code, _, err = command(world, capsys, "give", "attack", *about, "--hour", hour)
    assert code != 0
    assert says in " ".join(err.split())
    assert recorded(world) == []


def test_an_hour_without_the_principal_or_in_the_future_is_refused(world, hour, capsys):
    code, _, err = command(world, capsys, "give", "attack", "--principal", ALICE, "--hour", shift_hour(hour, -1))
    assert (code, "nobody did anything as" in err) == (1, True)
    later = shift_hour(hour_key(utc_now()), 2)
    for about in (("--principal", ALICE), ("-e", event_id(hour, 1))):
        code, _, err = command(world, capsys, "give", "attack", *about, "--hour", later)
        assert (code, f"the hour {later} (UTC) has not begun" in err) == (1, True)
    assert recorded(world) == []


def test_every_wrong_line_of_a_file_is_named(world, hour, capsys, tmp_path):
    file, later = tmp_path / "verdicts.csv", shift_hour(hour_key(utc_now()), 2)
    lines = ["verdict,event_id,principal,hour,source", f"attack,,{ALICE},{hour},{TRAIL}"]
    wrong = [f"attack,,{ALICE},{hour},no-such-source", f"attack,,{ALICE},{later},", "attack,,bob,,"]
    file.write_text("\n".join([*lines, *wrong]))
    code, _, err = command(world, capsys, "import", str(file))
    assert code == 1
    for said in ("line 3: there is no source", "line 4: the hour", "line 5: needs event_id", "Nothing was recorded"):
        assert said in err
    file.write_text("\n".join([*lines, f"benign,,bob,{hour},", "attack,no-such-event,,,"]))
    code, _, err = command(world, capsys, "import", str(file))
    assert code == 1
    for said in ("line 3", "line 4", "no event no-such-event", f"nobody did anything as bob in {hour}"):
        assert said in err
    assert recorded(world) == []


def test_a_file_of_verdicts_is_taken_whole_or_not_at_all(world, hour, capsys, tmp_path):
    file = tmp_path / "verdicts.csv"
    lines = ["verdict,event_id,principal,hour,technique", f"attack,{event_id(hour, 1)},,,T1078"]
    file.write_text("\n".join([*lines, "benigne,x,,,"]))
    code, _, err = command(world, capsys, "import", str(file))
    assert (code, "line 3" in err, recorded(world)) == (1, True, [])
    file.write_text("\n".join([*lines, f"Benign,,{ALICE},{hour},"]))
    assert command(world, capsys, "import", str(file))[0] == 0
    assert [(one.verdict, one.event_id is None, one.principal) for one in recorded(world)][-1] == (
        Word.BENIGN,
        True,
        ALICE,
    )
    assert len(recorded(world)) == 2


def test_lines_that_contradict_each_other_are_named_and_nothing_is_recorded(world, hour, capsys, tmp_path):
    file, first = tmp_path / "verdicts.csv", event_id(hour, 1)
    lines = [
        "verdict,event_id,principal,hour,account",
        f"attack,{first},,,",
        f"attack,{event_id(hour, 2)},,,",
        f"benign,{first},,,",
        f"benign,,{ALICE},{hour},",
        f"attack,,{ALICE},{hour},{logs.ACCOUNT}",
    ]
    file.write_text("\n".join(lines))
    code, _, err = command(world, capsys, "import", str(file))
    assert (code, recorded(world)) == (1, [])
    assert f"line 4: says benign of {first}, and line 2 attack" in err
    assert f"line 6: says attack of {ALICE} in {hour}, and line 5 benign" in err
    assert "line 3" not in err


def test_equal_lines_count_once_and_a_column_is_named_once(world, hour, capsys, tmp_path):
    file, first, second = tmp_path / "verdicts.csv", event_id(hour, 1), event_id(hour, 2)
    lines = [f"attack,{first},", f"Attack, {first},", f"attack,{second},", f"attack,{first},seen"]
    file.write_text("\n".join(["verdict,event_id,note", *lines]))
    assert command(world, capsys, "import", str(file))[0] == 0
    assert [(one.event_id, one.note) for one in recorded(world)] == [(first, None), (second, None), (first, "seen")]
    file.write_text(f"event_id,verdict,note,Event_ID\n{first},benign,x,{second}\n")
    code, _, err = command(world, capsys, "import", str(file))
    assert (code, "names the column event_id twice" in err, len(recorded(world))) == (1, True, 3)


class Workspace:
    """Answers with the rows of incidents and alerts, as the query client gives them."""

    def __init__(self, incidents, alerts) -> None:
        self.answers, self.asked = {"SecurityIncident": incidents, "SecurityAlert": alerts}, []

    def run(self, kql: str):
        self.asked.append(kql)
        return self.answers[kql.split("\n", 1)[0]]

    def close(self) -> None:
        """Nothing to close."""


def incident(number: int, classification: str, alerts: list[str], **more):
    closed = utc_now().astimezone(UTC) - timedelta(minutes=number)
    return {
        "IncidentNumber": number,
        "Title": "urgent",
        "Status": "Closed",
        "Classification": classification,
        "ClassificationComment": "looked at",
        "LastModifiedTime": closed,
        "ClosedTime": closed - timedelta(milliseconds=100),
        "AlertIds": json.dumps(alerts),
        "ModifiedBy": "ann@example.com",
        **more,
    }


def alert(name: str, **details):
    custom = json.dumps(details)
    return {
        "TimeGenerated": utc_now(),
        "SystemAlertId": name,
        "ExtendedProperties": json.dumps({"Query": "…", "Custom Details": custom}),
        "Techniques": '["T1078"]',
    }


def test_closed_incidents_become_verdicts_once(world, hour):
    workspace = Workspace(
        [
            incident(9, "TruePositive", ["a"], Status="Active"),
            incident(9, "TruePositive", ["a"]),
            incident(8, "BenignPositive", ["b"]),
            incident(7, "Undetermined", ["a"]),
            incident(6, "FalsePositive", ["c", "gone"]),
            incident(5, "TruePositive", ["d"]),
        ],
        [
            alert("a", EventIds=json.dumps([event_id(hour, 1), "unknown-event"])),
            alert("b", Principal=[ALICE], Hour=[hour_start(hour).isoformat()], Account=[logs.ACCOUNT]),
            alert("c", Something=["else"]),
            alert("d", Principal=["nobody"], Hour=[hour]),
        ],
    )
    world.runtime.__dict__["_query"] = workspace
    taken = incidents.take_incidents(world.runtime)
    assert taken.counts == {
        "incidents": 4,
        "incidents_about_other_things": 1,
        "new_verdicts": 2,
        "taken_back": 0,
        "unknown_events": 2,
    }
    assert taken.problems[0].startswith("2 events or principals' hours that incidents name are not in the stage files")
    found = {one.incident: one for one in recorded(world)}
    assert (found["9"].verdict, found["9"].event_id, found["9"].hour) == (Word.ATTACK, event_id(hour, 1), hour)
    assert (found["8"].verdict, found["8"].principal, found["8"].hour) == (Word.BENIGN, ALICE, hour)
    assert {one.origin for one in found.values()} == {Origin.INCIDENT}
    assert found["8"].technique == "T1078"
    again = incidents.take_incidents(world.runtime)
    assert (again.counts["new_verdicts"], len(recorded(world))) == (0, 2)
    asked = [kql for kql in workspace.asked if kql.startswith("SecurityIncident")]
    assert asked[0] != asked[1]  # the second time only what changed since


@pytest.mark.parametrize("later", [{"Status": "Active"}, {"Classification": "Undetermined"}])
def test_an_incident_takes_back_what_it_said(world, hour, later):
    workspace = Workspace(
        [incident(9, "BenignPositive", ["a"])],
        [alert("a", EventId=[event_id(hour, 1)], Principal=[ALICE], Hour=[hour])],
    )
    world.runtime.__dict__["_query"] = workspace
    assert incidents.take_incidents(world.runtime).counts["new_verdicts"] == 2
    changed = utc_now().astimezone(UTC)
    workspace.answers["SecurityIncident"] = [
        incident(9, "BenignPositive", ["a"]),
        incident(9, "BenignPositive", ["a"], LastModifiedTime=changed, **later),
        incident(8, "Undetermined", ["a"]),
    ]
    taken = [incidents.take_incidents(world.runtime).counts["taken_back"] for _ in range(2)]
    assert taken == [2, 0]
    last = recorded(world)[-2:]
    assert [(one.verdict, one.incident) for one in last] == [(Word.UNSURE, "9")] * 2
    assert {one.event_id for one in last} == {event_id(hour, 1), None}


@pytest.fixture
def closed(world, hour):
    """An incident that was closed as benign half an hour ago, and is read; gives the function that changes it later."""
    when = utc_now().astimezone(UTC) - timedelta(minutes=30)
    alerts = [alert("a", EventId=[event_id(hour, 1)]), alert("b", Principal=[ALICE], Hour=[hour])]
    rows = [incident(9, "FalsePositive", ["a", "b"], LastModifiedTime=when, ClosedTime=when)]
    workspace = Workspace(rows, alerts)
    world.runtime.__dict__["_query"] = workspace
    assert incidents.take_incidents(world.runtime).counts["new_verdicts"] == 2

    def change(**changes):
        rows.append({**rows[-1], "LastModifiedTime": utc_now().astimezone(UTC), **changes})
        counts, again = (incidents.take_incidents(world.runtime).counts for _ in range(2))
        assert (again["new_verdicts"], again["taken_back"]) == (0, 0)
        return counts

    return change


def counting(world, hour: str, number: int) -> Word:
    """What counts about an event of Alice's hour: the newest verdict about either."""
    about = [one for one in recorded(world) if one.event_id in (None, event_id(hour, number))]
    return about[-1].verdict


def test_who_edits_a_closed_incident_says_nothing_new(world, hour, closed, capsys):
    command(world, capsys, "give", "attack", "-e", event_id(hour, 1))
    for edited in ({"Title": "urgent, tagged"}, {"ClassificationComment": "another comment"}, {"ModifiedBy": "bob"}):
        assert closed(**edited)["new_verdicts"] == 0
    assert (len(recorded(world)), counting(world, hour, 1)) == (3, Word.ATTACK)
    assert closed(Classification="TruePositive")["new_verdicts"] == 2
    assert counting(world, hour, 2) is Word.ATTACK


def test_what_was_said_between_the_closing_and_an_edit_counts_though_both_are_read_later(world, hour, capsys):
    closing = incident(9, "FalsePositive", ["a"])
    edited = {**closing, "LastModifiedTime": utc_now().astimezone(UTC) + timedelta(minutes=1), "ModifiedBy": "bob"}
    world.runtime.__dict__["_query"] = Workspace([closing, edited], [alert("a", EventId=[event_id(hour, 1)])])
    command(world, capsys, "give", "attack", "-e", event_id(hour, 1))
    assert incidents.take_incidents(world.runtime).counts["new_verdicts"] == 1
    assert {one.verdict: one.given_by for one in recorded(world)}[Word.BENIGN] == "ann@example.com"
    assert counting(world, hour, 1) is Word.ATTACK


def test_an_incident_that_is_closed_anew_says_it_again(world, hour, closed, capsys):
    command(world, capsys, "give", "attack", "-e", event_id(hour, 1))
    again = utc_now().astimezone(UTC)
    assert closed(Status="Closed", ClosedTime=again)["new_verdicts"] == 2
    assert counting(world, hour, 1) is Word.BENIGN
    assert closed(Title="tagged")["new_verdicts"] == 0


def test_an_incident_that_is_opened_again_leaves_what_others_said_since(world, hour, closed, capsys):
    command(world, capsys, "give", "attack", "-e", event_id(hour, 1))
    # What it said of the event does not count any more; what it said of the hour still does, for the other events.
    assert closed(Status="Active")["taken_back"] == 1
    assert (counting(world, hour, 1), counting(world, hour, 2)) == (Word.ATTACK, Word.UNSURE)
    assert closed(Status="Closed", ClosedTime=utc_now().astimezone(UTC))["new_verdicts"] == 2


def test_a_later_word_about_the_hour_is_not_taken_back_with_the_incident(world, hour, closed, capsys):
    command(world, capsys, "give", "attack", "--principal", ALICE, "--hour", hour)
    assert closed(Status="Active")["taken_back"] == 0
    assert {counting(world, hour, number) for number in (1, 2)} == {Word.ATTACK}


def test_two_sweeps_at_once_record_an_incident_once(world, hour):
    world.runtime.__dict__["_query"] = Workspace(
        [incident(9, "TruePositive", ["a"])], [alert("a", EventId=[event_id(hour, 1)])]
    )
    assert take_lease(world.runtime.ledger, "incidents", "another sweep", 60)
    taken = incidents.take_incidents(world.runtime)
    assert (taken.busy, taken.problems, recorded(world)) == (1, [], [])


def test_the_local_workspace_answers_the_very_queries(world):
    """Tables are there and empty: the queries are ones that KQL takes."""
    taken = incidents.take_incidents(world.runtime)
    assert (taken.counts["incidents"], taken.problems) == (0, [])
    rows = incidents._alerts(world.runtime, {"x"}, utc_now())
    assert rows == {}
