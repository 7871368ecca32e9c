"""Local AWS: an S3 (and STS, SQS) on loopback for the demo and the tests, with objects that survive a restart.

Belongs here: the server process around moto, its disk mirror and its switchable faults. Does not belong here: what is
put into it (``local.generator``) or how the product reads it (``s3``).

Differences from AWS, on purpose:

* An object put with user metadata ``local-last-modified: 2026-11-23T14:05:00Z`` reports that instant as LastModified.
  Nobody can set it on AWS; here it lets a past hour be seeded. A copy keeps it, as replication does.
* Credentials and policies are not checked; denials and expired keys are switched on with faults. Roles can be assumed
  without being made first. Of a customer's key (SSE-C) only the MD5 is compared; nothing is encrypted.
* CloudTrail answers ``ListPublicKeys`` only, with the keys of a file in the server's folder.
* Objects, their versions and buckets are kept on disk. Everything else (tags, policies, queues, unfinished multipart
  uploads) is in memory and gone after a restart.

As on AWS, the LastModified of a multipart object is the instant its upload *began*, so a long upload turns up late.
"""

from s3sentinel_assets.local.aws.application import LAST_MODIFIED_METADATA
from s3sentinel_assets.local.aws.faults import Fault
from s3sentinel_assets.local.aws.process import LocalAws, start_aws, write_credentials
from s3sentinel_assets.local.aws.server import run_server

__all__ = ["LAST_MODIFIED_METADATA", "Fault", "LocalAws", "run_server", "start_aws", "write_credentials"]
