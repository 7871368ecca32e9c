"""The audit trail keeps every decision as it was, in order, with whoever took it."""

import getpass
import os
import socket

import pytest

from s3sentinel_assets.ledger import audit as module
from s3sentinel_assets.ledger.audit import Decision, current_principal, decisions, record_decision

DROP = Decision("ada@host", "dead-letter drop", "s", "2026-11-01-13:00", "3 dead letters", "known noise", {"rows": 3})


def test_decisions_come_back_in_order_of_time(ledger):
    with ledger.write() as connection:
        numbers = [
            record_decision(connection, DROP, 200),
            record_decision(connection, Decision("bob@host", "dead-letter requeue"), 100),
            record_decision(connection, Decision("bob@host", "dead-letter fix"), 200),
        ]
    with ledger.read() as connection:
        found = decisions(connection)
        assert [(one.at, one.id) for one in found] == [(100, numbers[1]), (200, numbers[0]), (200, numbers[2])]
        assert [one.at for one in decisions(connection, since=101)] == [200, 200]
        assert [one.id for one in decisions(connection, limit=2)] == [numbers[0], numbers[2]]  # the newest
        assert decisions(connection, since=201) == []
    kept = found[1]
    assert (kept.principal, kept.action, kept.source, kept.hour) == (DROP.principal, DROP.action, "s", DROP.hour)
    assert (kept.target, kept.reason, kept.detail) == ("3 dead letters", "known noise", {"rows": 3})
    assert (found[0].source, found[0].hour, found[0].target, found[0].reason, found[0].detail) == (None,) * 4 + ({},)


def test_a_decision_goes_with_the_transaction_that_carries_it_out(ledger):
    with pytest.raises(RuntimeError), ledger.write() as connection:
        record_decision(connection, DROP, 1)
        raise RuntimeError
    with ledger.read() as connection:
        assert decisions(connection) == []


def test_any_text_can_be_kept(ledger):
    strange = Decision("ä\0" * 200, "dead-letter drop", target="a\0b", reason="\x1b[2J\0")
    with ledger.write() as connection:
        record_decision(connection, strange, 1)
    with ledger.read() as connection:
        [kept] = decisions(connection)
    assert (kept.target, kept.reason) == ("a\ufffdb", "\x1b[2J\ufffd")
    assert len(kept.principal) == 255 and "\0" not in kept.principal


def test_the_principal_is_who_runs_the_process(monkeypatch):
    monkeypatch.setattr(getpass, "getuser", lambda: "ada")
    assert current_principal() == f"ada@{socket.gethostname()}"

    def nameless():
        raise OSError("no such user")

    monkeypatch.setattr(module.getpass, "getuser", nameless)
    assert current_principal() == f"uid {os.getuid()}@{socket.gethostname()}"
