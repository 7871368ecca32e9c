"""Who asked S3: account, name and kind, from the requester as server access logs write it.

Source: AWS, "Amazon S3 server access log format", field "Requester": the ARN of a user or role, a canonical user id,
the name of a service, or nothing for anonymous requests.

Belongs here: principals of S3 access logs. Does not belong here: other columns. Principals are named as those of
CloudTrail (``cloudtrail.callers``), so that both logs tell of the same one: behind IAM Identity Center, or with a
session named like a mail address, the session is the person and stays; else it is left out.
"""

import polars as pl

from s3sentinel_assets.formats.web.requests import places_of

__all__ = ["ACCOUNT", "PEER", "PRINCIPAL", "PRINCIPAL_TYPE", "REGION", "USER_NAME", "with_requesters"]

ACCOUNT, PRINCIPAL, PRINCIPAL_TYPE, PEER = "_account", "_principal", "_principal_type", "_peer"
#: The name of the user or role alone, and the Region of the host that was asked.
USER_NAME, REGION = "_user_name", "_region"

_ARN = r"^arn:[^:]*:(?:iam|sts)::"
_PERSON = r"^[^@\s]+@[^@\s]+\.[A-Za-z]+$"
_REGION = r"\bs3[.-](?:[a-z-]+\.)??([a-z]{2}(?:-[a-z]+)+-\d)\."


def with_requesters(raw: pl.DataFrame) -> pl.DataFrame:
    """Adds the columns named above, from ``requester``, ``remote_ip``, ``bucket`` and ``host_header``.

    Each distinct requester and host is looked at once: a log has few of them.
    """
    distinct, places = places_of(raw["requester"])
    known = distinct.alias("requester").to_frame().select(**_parts())
    raw = raw.with_columns(column.gather(places) for column in known)
    requester = pl.col("requester")
    anonymous = requester.is_null()
    if raw["requester"].null_count():
        raw = raw.with_columns(
            pl.when(anonymous).then("remote_ip").otherwise(PRINCIPAL).alias(PRINCIPAL),
            pl.when(anonymous).then(pl.lit("Anonymous")).otherwise(PRINCIPAL_TYPE).alias(PRINCIPAL_TYPE),
            pl.when(anonymous).then(pl.concat_str("bucket", pl.lit("/Anonymous"))).otherwise(PEER).alias(PEER),
        )
    if "host_header" not in raw.columns:
        return raw
    hosts, places = places_of(raw["host_header"])
    return raw.with_columns(hosts.str.extract(_REGION).gather(places).alias(REGION))


def _parts() -> dict[str, pl.Expr]:
    """The columns of one requester."""
    text = pl.col("requester")
    account = text.str.extract(_ARN + r"(\d+):")
    role, session = text.str.extract(r":assumed-role/([^/]+)"), text.str.extract(r":assumed-role/[^/]+/(.+)$")
    person = pl.when(role.str.starts_with("AWSReservedSSO_") | session.str.contains(_PERSON)).then(session)
    user = text.str.extract(r":user/(?:.*/)?([^/]+)$")
    federated = text.str.extract(r":federated-user/(.+)$")
    root = pl.when(text.str.contains(_ARN + r"\d+:root$")).then(pl.lit("root"))
    name = pl.coalesce(role, user, federated, root)
    kind = (
        pl.when(role.is_not_null()).then(pl.lit("AssumedRole"))
        .when(user.is_not_null()).then(pl.lit("IAMUser"))
        .when(federated.is_not_null()).then(pl.lit("FederatedUser"))
        .when(root.is_not_null()).then(pl.lit("Root"))
        .when(text.str.contains("^[0-9a-f]{64}$")).then(pl.lit("AWSAccount"))
        .otherwise(pl.lit("AWSService"))
    )  # fmt: skip
    named = pl.concat_str(account, name, person, separator="/", ignore_nulls=True)
    return {
        ACCOUNT: account,
        USER_NAME: name,
        PRINCIPAL: pl.when(name.is_not_null()).then(named).otherwise(text),
        PRINCIPAL_TYPE: kind,
        PEER: pl.concat_str(account, kind, role, separator="/", ignore_nulls=True),
    }
