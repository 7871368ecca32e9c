"""Putting generated objects into a bucket through boto3.

Belongs here: the upload. Does not belong here: making objects; the client comes from the caller.
"""

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from s3sentinel_assets.errors import UserError
from s3sentinel_assets.local.generator.digests import DigestObject
from s3sentinel_assets.local.generator.model import SeedObject

__all__ = ["seed"]

#: Understood by the local AWS only; see ``local.aws``. Written out because neighbours do not import each other.
_LAST_MODIFIED_METADATA = "local-last-modified"

Item = TypeVar("Item", bound=SeedObject | DigestObject)


def seed(
    client: Any,
    bucket: str,
    objects: Iterable[Item],
    progress: Callable[[Item], object] | None = None,
    *,
    keep_instants: bool = True,
) -> int:
    """Puts objects into a bucket, which is made when missing.

    Args:
        client: a boto3 S3 client.
        bucket: the bucket.
        objects: what to put, log files or digests.
        progress: called after each object.
        keep_instants: ask the local AWS to report each object's own LastModified; without it S3 reports the present.

    Returns:
        How many objects were put.

    Raises:
        UserError: S3 cannot be reached or refuses; the sentence names bucket or key.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    where = bucket
    count = 0
    try:
        _make_bucket(client, bucket)
        for item in objects:
            where = f"{bucket}/{item.key}"
            metadata = dict(item.metadata) if isinstance(item, DigestObject) else {}
            if keep_instants:
                metadata[_LAST_MODIFIED_METADATA] = item.last_modified.isoformat()
            client.put_object(Bucket=bucket, Key=item.key, Body=item.body, Metadata=metadata)
            count += 1
            if progress is not None:
                progress(item)
    except (BotoCoreError, ClientError) as error:
        raise UserError(f"{where}: could not be written ({error}); check that S3 runs and may be written") from error
    return count


def _make_bucket(client: Any, bucket: str) -> None:
    from botocore.exceptions import ClientError

    try:
        client.head_bucket(Bucket=bucket)
    except ClientError as error:
        if error.response["Error"].get("Code") not in {"404", "NoSuchBucket"}:
            raise
        region = client.meta.region_name
        # us-east-1 is the one region that must not be named.
        options = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
        client.create_bucket(Bucket=bucket, **options)
