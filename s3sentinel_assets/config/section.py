"""What every section of the configuration has in common.

Belongs here: the base model, and types that several sections use. Does not belong here: any setting.
"""

from typing import Any

from pydantic import BaseModel, BeforeValidator, ConfigDict

__all__ = ["OnOrOff", "Section"]


def _as_written(value: Any) -> Any:
    return {True: "on", False: "off"}[value] if isinstance(value, bool) else value


#: For settings one of whose words is on or off: YAML reads those, without quotes, as true and false.
OnOrOff = BeforeValidator(_as_written)


class Section(BaseModel):
    """A part of the configuration: unknown keys are errors, because a misspelt key would otherwise do nothing."""

    model_config = ConfigDict(extra="forbid", frozen=True)
