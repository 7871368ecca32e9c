"""From counts to bits: the few formulas of the rarity score.

Belongs here: arithmetic element by element (so results cannot depend on thread count). Does not belong here: where the
counts come from.
"""

import polars as pl

from s3sentinel_assets.ml.parameters import Parameters

__all__ = ["decay_factor", "novelty_bits", "positive", "surprise_bits", "without_own_history"]


def decay_factor(hours: int, parameters: Parameters) -> float:
    """What is left of a count after ``hours``."""
    return 2.0 ** (-hours / parameters.half_life_hours)


def positive(bits: pl.Expr, limit: float) -> pl.Expr:
    """Bits kept within 0 … ``limit``; not-a-number (0/0 of an empty history) counts as nothing."""
    return bits.fill_nan(0.0).clip(0.0, limit)


def without_own_history(
    *, peer: pl.Expr, peer_total: pl.Expr, everyone: pl.Expr, everyone_total: float, parameters: Parameters
) -> pl.Expr:
    """What an action of someone unknown counts: its share in the peer group, backing off to everyone.

    Each level mixes its own share with the next one's, as if that had been seen ``backoff_…`` times: with little
    history the group decides, with much history the principal itself.
    """
    base = 2.0**-parameters.base_bits
    general = (everyone + parameters.backoff_global * base) / (everyone_total + parameters.backoff_global)
    group = (peer + general * parameters.backoff_global) / (peer_total + parameters.backoff_global)
    return group * parameters.backoff_peer


def surprise_bits(own: pl.Expr, own_total: pl.Expr, assumed: pl.Expr, parameters: Parameters) -> pl.Expr:
    """−log2 P(action | principal); ``assumed`` comes from `without_own_history`."""
    share = (own + assumed) / (own_total + parameters.backoff_peer)
    return -share.log(2.0)


def novelty_bits(new: pl.Expr, trials: pl.Expr, parameters: Parameters) -> pl.Expr:
    """−log2 of the principal's own rate of novelty: ``new`` first times in ``trials`` events.

    Who never changes gets many bits for a change, who changes daily gets few, who has no history about one.
    """
    prior = parameters.novelty_prior
    return positive(-((new + prior) / (trials + 2 * prior)).log(2.0), parameters.novelty_max_bits)
