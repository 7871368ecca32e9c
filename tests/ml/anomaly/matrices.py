"""Made-up feature matrices: benign events whose terms are mostly 0, and attacks that stand out in some."""

import numpy as np
import polars as pl

from s3sentinel_assets.ml.parameters import TERMS

__all__ = ["attacks", "benign", "rows"]

#: Terms that CloudTrail events never have: they are other families'.
_SILENT = (
    *("new_domain", "site_new_path", "site_new_client", "site_new_agent", "site_new_domain", "rare_method"),
    *("unusual_size", "unusual_density", "unusual_name", "error_ratio", "fan_out", "subdomains"),
)


def benign(size: int = 20_000, seed: int = 1) -> pl.DataFrame:
    """Benign events of 150 principals in 48 hours; what no CloudTrail event has says nothing."""
    rng = np.random.default_rng(seed)
    terms = {
        term: np.zeros(size) if term in _SILENT else np.where(rng.random(size) < 0.05, rng.gamma(2.0, 2.0, size), 0.0)
        for term in TERMS
    }
    who = pl.Series("principal", rng.integers(0, 150, size))
    hour = pl.Series("hour", rng.integers(0, 48, size))
    return pl.DataFrame([who.cast(pl.String), hour.cast(pl.String)]).hstack(pl.DataFrame(terms))


def attacks(size: int = 60, seed: int = 2) -> pl.DataFrame:
    """Events with many bits of ``new_action`` and ``new_write``, and ordinary ones of everything else."""
    rng = np.random.default_rng(seed)
    return benign(size, seed).with_columns(
        new_action=pl.Series(8.0 + rng.random(size) * 4.0), new_write=pl.Series(6.0 + rng.random(size) * 9.0)
    )


def rows(**terms: list[float]) -> pl.DataFrame:
    """Rows with these terms, 0 in all others."""
    height = len(next(iter(terms.values())))
    return pl.DataFrame({term: terms.get(term, [0.0] * height) for term in TERMS})
