"""Who called: what rows and entities need of a caller, computed once for each distinct one.

Belongs here: principal and peer, what is derived from ``userIdentity`` alone, and the way from the distinct values back
to the rows. Does not belong here: what differs from record to record.

A principal must be the same for all that one person or workload does, and different for two people. Hence: behind IAM
Identity Center, SAML and web identity the session *is* the person and stays; with a source identity that is the person;
otherwise the session's name is chosen by a machine or at will and is left out. ``AWSCloudTrail`` keeps the full names.
"""

import polars as pl

from s3sentinel_assets.formats.cloudtrail.record import OTHERS
from s3sentinel_assets.formats.frames import EXTRA, FLAGS, flags, non_empty
from s3sentinel_assets.formats.instants import parse_iso8601
from s3sentinel_assets.formats.json_logs.extras import joined_objects, with_unplaced

__all__ = [
    "ACCOUNT",
    "CALLER",
    "CALLER_FLAGS",
    "ID_ACCOUNT",
    "PEER",
    "PRINCIPAL",
    "PRINCIPAL_TYPE",
    "RECIPIENT",
    "SESSION_CREATED",
    "SESSION_MFA",
    "SESSION_NAME",
    "TLS",
    "with_shared",
]

#: The account that a caller is seen from: together they say who it is.
RECIPIENT = "recipientAccountId"
#: Columns of a record: the places of its caller and its TLS details among the distinct ones.
CALLER, TLS = "_caller", "_tls"
#: Columns of a caller: for the entity view …
ACCOUNT, PRINCIPAL, PRINCIPAL_TYPE, PEER = "_account", "_principal", "_principal_type", "_peer"
#: … and for the table: the account in the event id, session values in their columns' types, what did not fit there.
ID_ACCOUNT, SESSION_CREATED, SESSION_MFA, CALLER_FLAGS = "_id_account", "_session_created", "_session_mfa", "_unfit"
#: … and for ASIM: the name of the role's session.
SESSION_NAME = "_session_name"
# Fields of a caller, or of TLS, that the table has no column for, as a JSON object.
_CALLER_EXTRA, _TLS_EXTRA = "_caller_extra", "_tls_extra"

_IDENTITY, _TLS_DETAILS = "userIdentity.", "tlsDetails."
_SESSION = f"{_IDENTITY}sessionContext."
_CREATED = f"{_SESSION}attributes.creationDate"
_MFA = f"{_SESSION}attributes.mfaAuthenticated"
_WEB_IDENTITY = f"{_SESSION}webIdFederationData"
_SSO_ROLE = "AWSReservedSSO_"
# In the order of their members, and those of them that hold JSON.
_UNPLACED = (
    f"{_IDENTITY}identityProvider",
    f"{_IDENTITY}credentialId",
    f"{_IDENTITY}invokedByDelegate",
    f"{_IDENTITY}inScopeOf",
    f"{_SESSION}sourceIdentity",
    f"{_SESSION}assumedRoot",
    _WEB_IDENTITY,
)
_JSON = (f"{_IDENTITY}invokedByDelegate", f"{_IDENTITY}inScopeOf", _WEB_IDENTITY)

# Session names that software makes up: instance ids, tool names with a time, bare numbers, hexadecimal, UUIDs.
_MACHINE_SESSION = (
    r"(?i)^(?:i-[0-9a-f]{8,17}"
    r"|(?:botocore|aws-(?:sdk-|go-sdk|cli)|aws-java|aws-node|aws-crt|boto3|assume-?role|session|web-identity-token|"
    r"terraform|k8s|eks)[\w.@-]*\d[\w.@-]*"
    r"|[0-9._:TZ-]{6,}|[0-9a-f]{12,}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[\w.@-]*\d{9,}[\w.@-]*)$"
)
# What differs between roles of one family: hexadecimal tails, numbers, random suffixes of templates.
_ROLE_VARIANT = r"[-_.](?:[0-9a-fA-F]{8,}|[A-Z0-9]{10,}|\d+)"


def _parts() -> dict[str, pl.Expr]:
    """Parts that the principal is made of."""
    arn = non_empty(f"{_IDENTITY}arn")
    federated = non_empty(_WEB_IDENTITY)
    return {
        "type": non_empty(f"{_IDENTITY}type"),
        "account": pl.coalesce(non_empty(f"{_IDENTITY}accountId"), non_empty(RECIPIENT)),
        "user": non_empty(f"{_IDENTITY}userName"),
        "service": non_empty(f"{_IDENTITY}invokedBy"),
        "arn": arn,
        "role": pl.coalesce(
            non_empty(f"{_SESSION}sessionIssuer.userName"),
            arn.str.extract(r":assumed-role/([^/]+)"),
            arn.str.extract(r":role/(?:.*/)?([^/]+)$"),
        ),
        "session": pl.coalesce(
            arn.str.extract(r":assumed-role/[^/]+/(.+)$"),
            non_empty(f"{_IDENTITY}principalId").str.extract(r"^[^:]+:(.+)$"),
        ),
        "source_identity": non_empty(f"{_SESSION}sourceIdentity"),
        "web_identity": federated.str.contains('"federatedProvider"', literal=True).fill_null(False),
    }


def _principal() -> pl.Expr:
    kind, account, role, session = pl.col("type"), pl.col("account"), pl.col("role"), pl.col("session")
    # A session named like a mail address is a person's behind SAML, which leaves no other trace in the record.
    personal = (
        role.str.starts_with(_SSO_ROLE) | pl.col("web_identity") | session.str.contains(r"^[^@\s]+@[^@\s]+\.[A-Za-z]+$")
    )
    person = pl.coalesce(
        "source_identity",
        pl.when(personal.fill_null(False) & ~session.str.contains(_MACHINE_SESSION)).then(session),
    )
    named = pl.coalesce("user", pl.col("arn").str.extract(r"[:/]([^:/]+)$"), non_empty(f"{_IDENTITY}principalId"))
    return pl.coalesce(
        pl.when(kind == "Root").then(pl.concat_str(account, pl.lit("root"), separator="/")),
        pl.when(kind == "AWSService").then(pl.col("service")),
        pl.when(kind.is_in(["AssumedRole", "Role"])).then(
            pl.concat_str(account, role, person, separator="/", ignore_nulls=True)
        ),
        pl.when(kind == "IdentityCenterUser").then(
            pl.concat_str(account, pl.col(f"{_IDENTITY}onBehalfOf.userId"), separator="/")
        ),
        pl.when(named.is_not_null()).then(pl.concat_str(account, named, separator="/", ignore_nulls=True)),
        "service",
        "account",
        pl.lit("unknown"),
    )


def _peer() -> pl.Expr:
    family = pl.col("role").str.replace_all(_ROLE_VARIANT, "")
    return pl.concat_str("account", pl.coalesce("type", pl.lit("-")), family, separator="/", ignore_nulls=True)


def _session_mfa() -> pl.Expr:
    written = pl.col(_MFA).str.to_lowercase()
    return pl.when(written == "true").then(True).when(written == "false").then(False)


def _unfit() -> pl.Expr:
    """Says which values had no place in their column's type."""
    created, mfa = pl.col(_CREATED), pl.col(_MFA)
    return flags(
        pl.when(created.is_not_null() & pl.col(SESSION_CREATED).is_null()).then(
            pl.format("drift:SessionCreationDate={}", created.str.head(200))
        ),
        pl.when(mfa.is_not_null() & _session_mfa().is_null()).then(
            pl.format("drift:SessionMfaAuthenticated={}", mfa.str.head(200))
        ),
    )


def _unplaced(distinct: pl.DataFrame) -> pl.Series:
    """What the table has no column for, as JSON objects."""
    said = pl.when(pl.col(_WEB_IDENTITY) != "{}").then(_WEB_IDENTITY).alias(_WEB_IDENTITY)
    columns = distinct.select(*_UNPLACED[:-1], said, pl.col(f"{_IDENTITY}{OTHERS}").alias(EXTRA))
    return with_unplaced(columns, _UNPLACED, _JSON)[EXTRA]


def _with_callers(distinct: pl.DataFrame) -> pl.DataFrame:
    """The distinct callers with what is computed from them.

    Args:
        distinct: the fields of `record.Identity`, and the recipient account.
    """
    created = parse_iso8601(distinct[_CREATED]).alias(SESSION_CREATED)
    parts = distinct.with_columns(created, **_parts())
    computed = parts.select(
        pl.coalesce(non_empty(RECIPIENT), "account").alias(ACCOUNT),
        _principal().alias(PRINCIPAL),
        pl.col("type").alias(PRINCIPAL_TYPE),
        _peer().alias(PEER),
        pl.coalesce(RECIPIENT, f"{_IDENTITY}accountId", pl.lit("-")).alias(ID_ACCOUNT),
        pl.col("session").alias(SESSION_NAME),
        _session_mfa().alias(SESSION_MFA),
        _unfit().alias(CALLER_FLAGS),
    )
    return distinct.drop(*_UNPLACED, f"{_IDENTITY}{OTHERS}", RECIPIENT).hstack(
        [created, *computed, _unplaced(distinct).alias(_CALLER_EXTRA)]
    )


def with_shared(records: pl.DataFrame, callers: pl.DataFrame, tls: pl.DataFrame) -> pl.DataFrame:
    """The records with the columns of their callers and TLS details.

    Args:
        records: the fields of `record.Fields`, the places `CALLER` and `TLS`, ``_flags`` and ``_extra``.
        callers: the distinct ``userIdentity`` objects, with the recipient account.
        tls: the distinct ``tlsDetails`` objects.
    """
    known = _with_callers(callers)
    secured = tls.rename({f"{_TLS_DETAILS}{OTHERS}": _TLS_EXTRA})
    made = records.hstack(known.select(pl.all().gather(records[CALLER]))).hstack(
        secured.select(pl.all().gather(records[TLS]))
    )
    if known[CALLER_FLAGS].null_count() < known.height:
        made = made.with_columns(flags(pl.col(FLAGS), pl.col(CALLER_FLAGS)).alias(FLAGS))
    for column in (_CALLER_EXTRA, _TLS_EXTRA):
        if made[column].null_count() < made.height:
            made = made.with_columns(_joined(made[EXTRA], made[column]))
    return made.drop(CALLER_FLAGS, _CALLER_EXTRA, _TLS_EXTRA)


def _joined(had: pl.Series, more: pl.Series) -> pl.Series:
    """JSON objects with the members of both; few rows have any."""
    concerned = more.is_not_null().arg_true()
    return had.scatter(concerned, joined_objects(had.gather(concerned), more.gather(concerned)))
