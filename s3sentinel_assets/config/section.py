"""What every section of the configuration has in common.

Belongs here: the base model. Does not belong here: any setting.
"""

from pydantic import BaseModel, ConfigDict

__all__ = ["Section"]


class Section(BaseModel):
    """A part of the configuration: unknown keys are errors, because a misspelt key would otherwise do nothing."""

    model_config = ConfigDict(extra="forbid", frozen=True)
