"""What analysts found out, and what history does with urgent events until they have: the ``feedback`` section.

Belongs here: settings and their bounds. Does not belong here: verdicts themselves (``ledger.verdicts``).
"""

from pydantic import Field

from s3sentinel_assets.config.section import Section

__all__ = ["FeedbackSettings"]


class FeedbackSettings(Section):
    """Verdicts, and how long urgent events wait for one."""

    hold_days: int = Field(
        default=7,
        ge=0,
        le=90,
        description="Days for which history does not learn events of priority high or critical; 0: it learns all.",
    )
    incidents: bool = Field(
        default=False, description="The hourly sweep reads verdicts from the workspace's closed incidents."
    )
    incident_days: int = Field(default=30, ge=1, le=365, description="How far back incidents are read the first time.")
