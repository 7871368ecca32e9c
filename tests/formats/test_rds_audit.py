"""Audit logs of databases on RDS and Aurora."""

import json
from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from s3sentinel_assets.formats import detect
from s3sentinel_assets.formats.asim.common import MANDATORY, RESULTS
from tests.formats.texts import lines, pick, read, row, rows

QUERY = r"1767323045678901,db-1,alice,192.0.2.7,35,698024,QUERY,shop,'select a, \'b\', c from t where x = 1',0"
PREFIX = "2026-01-02 03:04:05 UTC:192.0.2.7(43872):alice@shop:[12345]:"
AUDIT = PREFIX + 'LOG:  AUDIT: SESSION,3,1,READ,SELECT,TABLE,public.t,"select a, ""b"" from t",<not logged>'


def test_every_column_of_a_mysql_line():
    made = row(QUERY)
    when = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
    assert made["TimeGenerated"] == made["EventStartTime"] == made["EventEndTime"] == when
    assert pick(made, ("Operation", "EventType", "EventResult", "Object")) == ("SELECT", "Read", "Success", "shop")
    assert made["EventMessage"] == "select a, 'b', c from t where x = 1"
    names = ("ActorUsername", "ActorUsernameType", "ActorSessionId", "SrcIpAddr", "SrcHostname", "DvcHostname")
    assert pick(made, names) == ("alice", "Simple", "35", "192.0.2.7", None, "db-1")
    assert pick(made, ("EventOriginalType", "EventOriginalResultDetails")) == ("QUERY", "0")
    assert pick(made, ("EventVendor", "EventProduct", "EventCount", "EventSchemaVersion")) == (
        "AWS",
        "RDS MySQL",
        1,
        "0.1.2",
    )
    assert json.loads(made["AdditionalFields"]) == {"database": "shop", "query_id": "698024"}


def test_every_column_of_a_pgaudit_line():
    made = row(AUDIT)
    assert made["TimeGenerated"] == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert pick(made, ("Operation", "EventType", "EventResult", "Object")) == ("SELECT", "Read", "NA", "public.t")
    assert pick(made, ("OriginalObjectType", "ObjectType", "EventOriginalType")) == ("TABLE", "Other", "READ")
    assert made["EventMessage"] == 'select a, "b" from t'
    names = ("ActorUsername", "ActorSessionId", "SrcIpAddr", "SrcPortNumber", "EventProduct")
    assert pick(made, names) == ("alice", "12345", "192.0.2.7", 43872, "RDS PostgreSQL")
    assert json.loads(made["AdditionalFields"]) == {
        "database": "shop", "audit_type": "SESSION", "statement_id": "3", "substatement_id": "1",
        "parameters": "<not logged>",
    }  # fmt: skip


def test_mysql_lines_of_all_kinds():
    texts = {
        "1767323045678901,db,a,192.0.2.7,35,6,WRITE,shop,t1,0": ("WRITE", "Set", "Success", "shop.t1"),
        "20260102 03:04:05,db,a,h.example.com,35,6,CREATE,shop,t2,0,1": ("CREATE", "Create", "Success", "shop.t2"),
        "20260102 03:04:05,db,a,192.0.2.7,35,6,READ,shop,t3,": ("READ", "Read", "NA", "shop.t3"),
        "20260102 3:04:05,db,a,192.0.2.7,35,0,FAILED_CONNECT,,,1045,TCP/IP": (
            "FAILED_CONNECT",
            "Other",
            "Failure",
            "db",
        ),
        "20260102 03:04:05,db,a,192.0.2.7,35,0,CONNECT,shop,,0": ("CONNECT", "Other", "Success", "shop"),
        "20260102 03:04:05,db,a,192.0.2.7,35,6,QUERY,shop,'/* x */ drop table t',1051": (
            "DROP",
            "Delete",
            "Failure",
            "shop",
        ),
        "20260102 03:04:05,db,a,192.0.2.7,35,6,QUERY_DDL,,'TRUNCATE TABLE `t`',0": (
            "TRUNCATE",
            "Clear",
            "Success",
            "db",
        ),
        "20260102 03:04:05,db,,,35,6,QUERY,shop,'',0,,new,newer": ("QUERY", "Other", "Success", "shop"),
    }
    made = rows(read(lines(*texts)))
    assert [pick(one, ("Operation", "EventType", "EventResult", "Object")) for one in made] == list(texts.values())
    assert all(one["TimeGenerated"].second == 5 and one["TimeGenerated"].day == 2 for one in made)
    assert made[1]["SrcHostname"] == "h.example.com"
    assert json.loads(made[3]["AdditionalFields"])["connection_type"] == "TCP/IP"
    assert json.loads(made[7]["AdditionalFields"])["more"] == "new,newer"


def test_postgresql_lines_of_all_kinds():
    long = "2026-01-02 03:04:05.25 UTC:192.0.2.7(1):u@d:[7]:3:42P01:2026-01-02 03:00:00 UTC:3/4:0:5b1.3039:psql:"
    texts = {
        long + "LOG:  AUDIT: OBJECT,2,1,DDL,CREATE TABLE,TABLE,public.t2,create table t2 (a int),<none>,5": (
            "CREATE TABLE", "Create", "NA", "public.t2"),
        long + 'ERROR:  relation "x" does not exist': ("ERROR", "Other", "Failure", "d"),
        PREFIX + "LOG:  AUDIT: SESSION,1,1,MISC,SET,,,set x = 1,<not logged>": ("SET", "Set", "NA", "shop"),
        PREFIX + "LOG:  connection authorized: user=alice database=shop": ("CONNECT", "Other", "Success", "shop"),
        PREFIX + "LOG:  disconnection: session time: 0:00:01": ("DISCONNECT", "Other", "NA", "shop"),
        "2026-01-02 03:04:05 UTC::@:[391]:LOG:  checkpoint starting": ("LOG", "Other", "NA", "RDS PostgreSQL"),
        "2026-01-02 03:04:05 UTC:::1(5):[unknown]@[unknown]:[3]:FATAL:  no": (
                "FATAL", "Other", "Failure", "RDS PostgreSQL"),
    }  # fmt: skip
    made = rows(read(lines(*texts)))
    assert [pick(one, ("Operation", "EventType", "EventResult", "Object")) for one in made] == list(texts.values())
    assert all(one["TimeGenerated"].second == 5 for one in made)
    assert json.loads(made[0]["AdditionalFields"])["rows"] == "5"
    assert pick(made[1], ("EventOriginalResultDetails", "EventSeverity")) == ("42P01", "Low")
    assert pick(made[6], ("ActorUsername", "SrcIpAddr", "EventSeverity")) == (None, "::1", "Medium")


def test_a_statement_of_several_lines():
    text = AUDIT.replace("select a, ", "select a,\n\t  -- why\n\t ") + "\n" + AUDIT + "\n"
    for step in (5, 65_536):
        made = rows(read(text.encode(), step=step))
        assert [one["EventMessage"] for one in made] == ['select a,\n  -- why\n "b" from t', 'select a, "b" from t']


def test_mandatory_columns_are_never_empty():
    parsed = read(lines(QUERY, AUDIT, "2026-01-02 03:04:05 UTC::@:[391]:LOG:  x"))
    made = parsed.rows.select(MANDATORY["ASimAuditEventLogs"])
    assert made.null_count().sum_horizontal().item() == 0
    assert set(made["EventResult"]) <= set(RESULTS)


def test_entities():
    entities = read(lines(QUERY.replace(",0", ",1064"), AUDIT)).entities.rows(named=True)
    names = ("principal", "principal_type", "action", "target", "source_ip", "error", "read_only")
    assert pick(entities[0], names) == ("alice", "database_user", "SELECT", "shop", "192.0.2.7", "1064", True)
    assert pick(entities[1], names) == ("alice", "database_user", "SELECT", "public.t", "192.0.2.7", None, True)


def test_other_lines_are_refused():
    texts = [
        "20260102 03:04:05,db,a,h,x,6,QUERY,shop,'s',0",
        "1767323045678901,db",
        QUERY + "x",
        "2026-01-02 text",
        "a,b,c",
    ]
    parsed = read(lines(*[QUERY, AUDIT] * 4, *texts), format="rds_audit")
    assert parsed.reasons() == [(8 + number, "not_rds_audit") for number in range(len(texts))]


def test_content_decides():
    assert detect(lines(QUERY)).format == "rds_audit"
    assert detect(AUDIT.encode()).format == "rds_audit"
    assert detect(b"20260102 03:04:05,a,b,c,1,2,3\n").format != "rds_audit"


@given(
    st.lists(
        st.binary(max_size=60) | st.builds(lambda text: PREFIX.encode() + text, st.binary(max_size=60)), max_size=8
    )
)
@settings(max_examples=12, deadline=None)
def test_any_bytes_are_accounted_for(texts):
    read(b"\n".join([QUERY.encode(), *texts]), format="rds_audit")


def test_a_user_of_kerberos_has_an_at_in_its_name():
    made = row("2026-01-02 03:04:05 UTC:192.0.2.7(5):joe@EXAMPLE.COM@shop:[7]:FATAL:  no such user")
    assert (made["ActorUsername"], made["Object"]) == ("joe@EXAMPLE.COM", "shop")
