"""What history and features depend on besides events: the numbers behind counts and bits, and the names of the terms.

Belongs here: types and names. Does not belong here: reading them from files (``scoring.model``).
"""

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["CODE_VERSION", "TERMS", "Parameters", "ScoringUnavailable"]

#: Counted up by hand whenever the same data and events would give other scores, states or counters.
CODE_VERSION = "3"
#: The terms of the score, in the order in which equal contributions are printed.
TERMS = (
    "new_action",
    "new_service",
    "new_write",
    "new_network",
    "new_wide_network",
    "new_agent",
    "new_region",
    "new_error",
    "new_domain",
    "peers_never",
    "account_new_network",
    "account_new_agent",
    "site_new_path",
    "site_new_client",
    "site_new_agent",
    "site_new_domain",
    "rare_action",
    "rare_method",
    "unusual_size",
    "unusual_density",
    "unusual_name",
    "burst",
    "error_burst",
    "error_ratio",
    "fan_out",
    "subdomains",
    "many_new",
    "unusual_hour",
    "sensitive",
)


class ScoringUnavailable(Exception):  # noqa: N818 - the word the pipeline and its records use for this outcome
    """There is nothing to score with (no state yet, or one of another format). The events go out unscored."""


class Parameters(BaseModel):
    """Numbers of the state and the bit terms; ``models/rarity.md`` explains each."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    half_life_hours: float = Field(gt=0)
    drop_below: float = Field(ge=0)
    hourly_cap: int = Field(ge=1)
    warm_events: float = Field(ge=0)
    cold_events: float = Field(gt=0)
    cold_days: float = Field(gt=0)
    backoff_peer: float = Field(gt=0)
    backoff_global: float = Field(gt=0)
    base_bits: float = Field(gt=0)
    novelty_prior: float = Field(gt=0)
    novelty_max_bits: float = Field(gt=0)
    usual_surprise_bits: float = Field(ge=0)
    usual_surprise_weight: float = Field(gt=0)
    rare_max_bits: float = Field(gt=0)
    peers_max_bits: float = Field(ge=0)
    account_new_bits: float = Field(ge=0)
    burst_margin_bits: float = Field(ge=0)
    burst_max_bits: float = Field(ge=0)
    burst_prior_events: float = Field(ge=0)
    burst_prior_errors: float = Field(ge=0)
    burst_prior_hours: float = Field(gt=0)
    many_new_max_bits: float = Field(ge=0)
    hour_prior: float = Field(gt=0)
    size_free_bits: float = Field(ge=0)
    size_max_bits: float = Field(ge=0)
    first_seen_occurrences: int = Field(ge=1)
    # Of some families only.
    error_ratio_prior: float = Field(default=0.05, gt=0, le=1)
    error_ratio_weight: float = Field(default=20, gt=0)
    error_ratio_max_bits: float = Field(default=10, ge=0)
    fan_out_prior: float = Field(default=30, ge=0)
    fan_out_max_bits: float = Field(default=6, ge=0)
    subdomains_max_bits: float = Field(default=8, ge=0)
    method_free_bits: float = Field(default=4, ge=0)
