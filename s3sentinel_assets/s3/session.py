"""S3 clients: credentials, roles, endpoints, pools and time-outs.

Belongs here: turning an `AwsAccess` into a boto3 client. Does not belong here: any call to S3.
"""

import os
import threading
from functools import partial
from typing import Any

from s3sentinel_assets.config import AwsAccess
from s3sentinel_assets.errors import ConfigurationError
from s3sentinel_assets.s3.errors import s3_errors

__all__ = ["s3_client"]

_ROLE_SESSION_NAME = "s3sentinel"

_clients: dict[tuple[int, AwsAccess], Any] = {}
_lock = threading.Lock()  # boto3 clients may be shared by threads, but making them is not safe there


def s3_client(access: AwsAccess) -> Any:
    """The S3 client for ``access``: one for each access and process, to be shared by threads.

    No request is made here, except that a role's credentials are fetched with the first call and renewed before they
    expire.

    Raises:
        ConfigurationError: the credentials file, profile or CA file is missing or unusable.
        UserError: no credentials can be found for the role's caller.
    """
    key = (os.getpid(), access)  # connections must not cross a fork
    with _lock:
        if key not in _clients:
            _clients[key] = _build(access)
        return _clients[key]


def _build(access: AwsAccess) -> Any:
    import boto3
    from botocore.config import Config

    for name, file in (("aws.credentials_file", access.credentials_file), ("aws.ca_file", access.ca_file)):
        if file is not None and not file.is_file():
            raise ConfigurationError(
                f"{name}: {file} is missing; create it, start the stand-ins with `s3sentinel dev` or "
                "`s3sentinel local`, or remove the key"
            )
    with s3_errors(bucket=None, access=access):
        session = _botocore_session(access)
        if access.role_arn:
            _assume_role(session, access)
        return boto3.Session(botocore_session=session).client(
            "s3",
            region_name=access.region,
            endpoint_url=access.endpoint_url,
            verify=_verify(access),
            config=Config(
                connect_timeout=access.connect_timeout_seconds,
                read_timeout=access.read_timeout_seconds,
                max_pool_connections=access.max_connections,
                retries={"mode": access.retry_mode, "total_max_attempts": access.max_attempts},
                tcp_keepalive=True,
                # Endpoints of our own rarely have a name for every bucket.
                s3={"addressing_style": "path" if access.endpoint_url else "auto"},
                user_agent_extra="s3sentinel",
            ),
        )


def _botocore_session(access: AwsAccess) -> Any:
    """A session whose credentials come from where the configuration says, else from the default chain."""
    from botocore.session import Session

    if access.credentials_file is None:
        return Session(profile=access.profile)
    # A profile given by name also keeps AWS_ACCESS_KEY_ID and AWS_PROFILE of the environment from winning over the
    # file.
    session = Session(profile=access.profile or "default")
    session.set_config_variable("credentials_file", str(access.credentials_file))
    if access.profile is None:
        session.set_config_variable("config_file", os.devnull)  # a [default] with a role there would win too
    return session


def _assume_role(session: Any, access: AwsAccess) -> None:
    """Replaces the session's credentials by the role's, renewed on their own shortly before they expire."""
    from botocore.credentials import AssumeRoleCredentialFetcher, DeferredRefreshableCredentials
    from botocore.exceptions import NoCredentialsError

    caller = session.get_credentials()
    if caller is None:
        raise NoCredentialsError
    extra = {"RoleSessionName": _ROLE_SESSION_NAME}
    if access.external_id:
        extra["ExternalId"] = access.external_id
    fetcher = AssumeRoleCredentialFetcher(
        client_creator=partial(
            session.create_client,
            region_name=access.region,
            endpoint_url=access.sts_endpoint_url,
            verify=_verify(access),
        ),
        source_credentials=caller,
        role_arn=access.role_arn,
        extra_args=extra,
    )
    session._credentials = DeferredRefreshableCredentials(method="assume-role", refresh_using=fetcher.fetch_credentials)


def _verify(access: AwsAccess) -> str | None:
    return str(access.ca_file) if access.ca_file else None
