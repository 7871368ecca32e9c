"""The S3 of a source as a dagster-aws resource, for assets, sensors and IO managers of your own.

Belongs here: the resource itself; importing it loads boto3. Does not belong here: how it is offered without loading
boto3 (``aws_resources``).
"""

from typing import Any

from dagster_aws.s3 import S3FileManager, S3Resource
from pydantic import Field, PrivateAttr, model_validator

from s3sentinel_assets.config import Config, load_config
from s3sentinel_assets.errors import ConfigurationError
from s3sentinel_assets.s3.extras import add_extras
from s3sentinel_assets.s3.session import aws_client

__all__ = ["SourceS3"]


class SourceS3(S3Resource):
    """`dagster_aws.s3.S3Resource` with the access of a source: its roles, endpoints, TLS and retries.

    Its configuration is the source's name and nothing else, so there is no key in it for anybody to read. Use it
    wherever dagster-aws wants an ``S3Resource``: ``S3PickleIOManager(s3_resource=SourceS3(source="cloudtrail"), …)``.
    """

    source: str = Field(description="Name of the source in s3sentinel.yaml whose access is used.")
    _config: Config | None = PrivateAttr(default=None)

    @model_validator(mode="before")
    @classmethod
    def _nothing_but_the_source(cls, values: Any) -> Any:
        for name, value in values.items() if isinstance(values, dict) else ():
            field = S3Resource.model_fields.get(name)
            if field is not None and value != field.default:
                # Not a ValueError: pydantic's sentence would show the value.
                raise ConfigurationError(f"{name} comes from the source's access in s3sentinel.yaml; set it there")
        return values

    @classmethod
    def of(cls, source: str, config: Config) -> "SourceS3":
        """The resource of a source of this configuration; without it ``s3sentinel.yaml`` is read when it is needed."""
        resource = cls(source=source)
        resource._config = config
        return resource

    def get_client(self) -> Any:
        """The source's boto3 client: one for each process, its credentials renewed while it runs.

        What the source's bucket asks for (owner, payer, customer's key) goes with requests for that bucket only.

        Raises:
            ConfigurationError: the configuration, or a file that it names, is wrong.
            UserError: no credentials can be found.
        """
        config = self._config or load_config()
        source = config.source(self.source)
        access = config.aws_access(source)
        client = aws_client(access, "s3")
        add_extras(client, access, source.bucket)
        return client

    def file_manager(self, bucket: str, prefix: str = "dagster") -> S3FileManager:
        """A dagster-aws file manager that keeps its files in ``bucket`` with the access of the source."""
        return S3FileManager(s3_session=self.get_client(), s3_bucket=bucket, s3_base_key=prefix)
