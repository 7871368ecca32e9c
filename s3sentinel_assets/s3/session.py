"""Clients for S3 and its neighbours: whose credentials, endpoints, pools and time-outs.

Belongs here: turning an `AwsAccess` into boto3 clients. Does not belong here: how a role is assumed and renewed
(``roles``), any call to S3.
"""

import functools
import os
import threading
from pathlib import Path
from typing import Any, get_args

import boto3
from botocore import UNSIGNED
from botocore.config import Config
from botocore.credentials import Credentials, ReadOnlyCredentials
from botocore.exceptions import NoCredentialsError
from botocore.loaders import Loader, create_loader
from botocore.session import Session

from s3sentinel_assets.config import AssumedRole, AwsAccess, Service
from s3sentinel_assets.errors import ConfigurationError
from s3sentinel_assets.s3.checksums import leave_checksums_to_us
from s3sentinel_assets.s3.credentials import FileCredentials, LiveCredentials
from s3sentinel_assets.s3.errors import s3_errors
from s3sentinel_assets.s3.extras import add_extras, customer_key
from s3sentinel_assets.s3.roles import assumed, assumed_with_token
from s3sentinel_assets.s3.timestamps import read_timestamps_fast

__all__ = ["aws_client", "s3_client"]

_SERVICES: dict[str, Service] = {service: service for service in get_args(Service)}
_LONG_POLL_SECONDS = 30  # SQS answers an idle long poll after 20

# botocore's methods that find keys in a file, and the variable that names the file.
_FILES_OF_KEYS = {"shared-credentials-file": "credentials_file", "config-file": "config_file"}
# botocore's methods for keys of the machine.
_OF_MACHINE = ("ec2-credentials-file", "boto-config", "container-role", "iam-role")

# One session, and so one chain of roles, for each access and process; one client for each service and region of it.
_sessions: dict[tuple[int, AwsAccess], boto3.Session] = {}
_clients: dict[tuple[int, AwsAccess, Service, str, bool], Any] = {}
_lock = threading.Lock()  # boto3 clients may be shared by threads, but making them is not safe there


def s3_client(access: AwsAccess) -> Any:
    """The S3 client that the pipeline reads with: one for each access and process, to be shared by threads.

    It is for the bucket of a source alone: `extras.request_extras` go with every request, and comparing checksums is
    left to the reader. For anything else see `aws_client`. No request is made here, except that boto3's default chain
    may ask where its credentials are. A role's credentials are fetched with the first call and renewed before they
    expire.

    Raises:
        ConfigurationError: a file that the access names is missing or unusable.
        UserError: no credentials can be found now. Nothing of that is kept: the next call looks for them again.
    """
    return _shared(access, "s3", None, for_reader=True)


def aws_client(access: AwsAccess, service: Service, region: str | None = None) -> Any:
    """The client of a service with the same credentials, rules for endpoints, time-outs and retries as `s3_client`.

    Args:
        access: how AWS is reached.
        service: ``s3``, ``sts``, ``sqs`` or ``cloudtrail``.
        region: other than that of ``access``.

    Raises:
        ConfigurationError: a file that the access names is missing or unusable.
        UserError: no credentials can be found now; the next call looks for them again.
    """
    return _shared(access, service, region, for_reader=False)


def _shared(access: AwsAccess, service: Service, region: str | None, *, for_reader: bool) -> Any:
    process = os.getpid()  # connections must not cross a fork
    key = (process, access, service, region or access.region, for_reader)
    with _lock:
        if key not in _clients:
            if (process, access) not in _sessions:
                _sessions[process, access] = boto3.Session(botocore_session=_session(access))
            with s3_errors(bucket=None, access=access):
                client = _sessions[process, access].client(service, region_name=region)
            if for_reader:
                add_extras(client, access)
                leave_checksums_to_us(client)
            _clients[key] = client
        return _clients[key]


class _AwsSession(Session):
    """A botocore session that reaches our services the way the access says, whoever makes the client.

    The default chain makes STS clients too, for roles that a profile names; they get endpoint, region, CA and time-outs
    from here as well.
    """

    def __init__(self, access: AwsAccess, credentials: LiveCredentials | None = None) -> None:
        # A profile given by name also keeps AWS_ACCESS_KEY_ID and AWS_PROFILE of the environment from winning over the
        # file.
        super().__init__(profile=access.profile or ("default" if access.credentials_file else None))
        self._access = access
        self._live = credentials
        read_timestamps_fast(self)
        self.set_config_variable("region", access.region)
        self.set_config_variable("sts_regional_endpoints", "regional")
        if access.credentials_file:
            self.set_config_variable("credentials_file", str(access.credentials_file))
            if access.profile is None:
                self.set_config_variable("config_file", os.devnull)  # a [default] with a role there would win too
        # Last: looking up data_path reads the files named above.
        self.register_component("data_loader", _loader(self.get_config_variable("data_path")))

    def get_credentials(self) -> Any:
        """The assumed role's, else those of profile, file or default chain; None where there are none."""
        if self._live is None:
            if self._access.credentials_file:
                self.leave_out_machine()
            found = super().get_credentials()
            file = self._file_of(found) if type(found) is Credentials else None  # others renew themselves
            if file is None:
                return found
            load = functools.partial(_keys_in_file, self._access)
            self._live = FileCredentials(file, load, found.get_frozen_credentials())
        return self._live

    def leave_out_machine(self) -> None:
        """Has the machine's own keys not used in place of a file's, while that holds none."""
        for method in _OF_MACHINE:
            self.get_component("credential_provider").remove(method)

    def _file_of(self, found: Credentials) -> Path | None:
        """The file that the keys stand in; None where they are the environment's, say."""
        variable = _FILES_OF_KEYS.get(found.method)
        if variable is None:
            return self._access.credentials_file
        return Path(os.path.expandvars(str(self.get_config_variable(variable)))).expanduser()

    def create_client(self, service_name: str, region_name: str | None = None, **options: Any) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        """As botocore's, with the settings of the access for what the caller leaves open."""
        access, service = self._access, _SERVICES.get(service_name)
        if service:
            region_name = region_name or access.region
            options["endpoint_url"] = options.get("endpoint_url") or access.endpoint_of(service)
            if options.get("verify") is None and access.ca_file:
                options["verify"] = str(access.ca_file)
            settings = _settings(access, service, options["endpoint_url"])
            options["config"] = settings.merge(options["config"]) if options.get("config") else settings
        return super().create_client(service_name, region_name, **options)


def _keys_in_file(access: AwsAccess) -> ReadOnlyCredentials | None:
    session = _AwsSession(access)
    session.leave_out_machine()
    found = Session.get_credentials(session)
    return found.get_frozen_credentials() if found else None


@functools.cache
def _loader(data_path: str | None) -> Loader:
    """One for all sessions: parsing S3's description takes a quarter of a second."""
    return create_loader(data_path)


def _settings(access: AwsAccess, service: Service, endpoint: str | None) -> Config:
    style = access.addressing_style
    if style == "auto" and access.endpoint_url:
        style = "path"  # endpoints of our own rarely have a name for every bucket
    read_timeout = access.read_timeout_seconds
    return Config(
        connect_timeout=access.connect_timeout_seconds,
        read_timeout=max(read_timeout, _LONG_POLL_SECONDS) if service == "sqs" else read_timeout,
        max_pool_connections=access.max_connections,
        retries={"mode": access.retry_mode, "total_max_attempts": access.max_attempts},
        tcp_keepalive=True,
        s3={"addressing_style": style, "us_east_1_regional_endpoint": "regional"},
        user_agent_extra="s3sentinel",
        # botocore would drop both without a word where AWS_ENDPOINT_URL names an endpoint.
        use_fips_endpoint=access.use_fips or None,
        use_dualstack_endpoint=access.use_dual_stack or None,
        ignore_configured_endpoint_urls=access.use_fips or access.use_dual_stack or None,
        proxies={} if access.is_stand_in and endpoint == access.endpoint_url else None,
    )


def _session(access: AwsAccess) -> _AwsSession:
    """A session with the credentials of the last role of the chain, or the first credentials where there is none.

    Raises:
        ConfigurationError: a file that the access names is missing or unusable.
        UserError: there are no credentials. A client made without any would never get some: botocore looks once.
    """
    _check_files(access)
    with s3_errors(bucket=None, access=access):
        session = _AwsSession(access)
        chain, caller = access.role_chain, _first_caller(access)
        token_file = access.web_identity_token_file
        if token_file is not None:
            session, chain, caller = _with_token(session, chain[0], token_file), chain[1:], f"role {chain[0].role_arn}"
        elif found := _token_of_environment(session):
            session, caller = _with_token(session, *found), f"role {found[0].role_arn}"
        for role in chain:
            if session.get_credentials() is None:
                raise NoCredentialsError
            session = _AwsSession(access, assumed(session.create_client("sts"), role, caller=caller))
            caller = f"role {role.role_arn}"
        if session.get_credentials() is None:
            raise NoCredentialsError
        return session


def _first_caller(access: AwsAccess) -> str:
    """Who assumes the first role, for sentences."""
    profile = f"profile {access.profile}" if access.profile else ""
    if access.credentials_file:
        return f"the keys in {access.credentials_file}" + (f" ({profile})" if profile else "")
    return profile or "the AWS credentials of this process"


def _with_token(session: _AwsSession, role: AssumedRole, token_file: Path) -> _AwsSession:
    sts = session.create_client("sts", config=Config(signature_version=UNSIGNED))
    return _AwsSession(session._access, assumed_with_token(sts, role, token_file))


def _token_of_environment(session: _AwsSession) -> tuple[AssumedRole, Path] | None:
    """Role and token file of the environment (as EKS sets them) where the default chain would use these."""
    file, role_arn = os.environ.get("AWS_WEB_IDENTITY_TOKEN_FILE"), os.environ.get("AWS_ROLE_ARN")
    if session._access.profile or session._access.credentials_file or not (file and role_arn):
        return None
    if getattr(session.get_credentials(), "method", None) != "assume-role-with-web-identity":
        return None  # something else comes first in the chain
    name = os.environ.get("AWS_ROLE_SESSION_NAME") or "s3sentinel"
    return AssumedRole.model_construct(role_arn=role_arn, session_name=name), Path(file)


def _check_files(access: AwsAccess) -> None:
    for name in ("credentials_file", "ca_file", "web_identity_token_file"):
        file = getattr(access, name)
        if file is not None and not file.is_file():
            raise ConfigurationError(
                f"aws.{name}: {file} is missing; create it, start the stand-ins with `s3sentinel dev` or "
                "`s3sentinel local`, or remove the key"
            )
    if access.sse_customer_key_file is not None:
        customer_key(access.sse_customer_key_file)
