"""``python -m s3sentinel_assets.cli``: the same as ``s3sentinel``."""

from s3sentinel_assets.cli import main

main()
