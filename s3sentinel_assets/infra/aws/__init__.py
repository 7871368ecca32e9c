"""The AWS side as a CloudFormation template, and as files for the owners of buckets and keys.

Belongs here: pure functions from the configuration to documents, and putting these into a folder. Does not belong here:
calls to AWS (nothing here makes one), what the user reads (``cli``).
"""

from s3sentinel_assets.infra.aws.documents import documents, rendered
from s3sentinel_assets.infra.aws.folder import Written, write_files
from s3sentinel_assets.infra.aws.plan import Plan, make_plan
from s3sentinel_assets.infra.aws.template import build_template

__all__ = ["Plan", "Written", "build_template", "documents", "make_plan", "rendered", "write_files"]
