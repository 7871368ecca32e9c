"""Containers: how an object's stored bytes become the bytes of a log.

Belongs here: recognising a container by its first bytes (never by its name) and decoding it as a stream within
limits, for S3 objects and local files alike. Does not belong here: fetching bytes (``s3``) or understanding them
(``formats``).
"""

from s3sentinel_assets.containers.decode import CONTAINERS, Container, decode, recognise
from s3sentinel_assets.containers.errors import (
    ContainerError,
    CorruptContainer,
    LimitExceeded,
    ReadFailure,
    ReadFailureState,
    TruncatedContainer,
)
from s3sentinel_assets.containers.layer import Facts

__all__ = [
    "CONTAINERS",
    "Container",
    "ContainerError",
    "CorruptContainer",
    "Facts",
    "LimitExceeded",
    "ReadFailure",
    "ReadFailureState",
    "TruncatedContainer",
    "decode",
    "recognise",
]
