"""Reproducible chance: every draw is a function of the seed and of what is drawn for, never of what was drawn before.

Belongs here: seeded generators and the identifiers AWS uses. Does not belong here: what is generated with them.
"""

import math
import random
import string

__all__ = ["base62", "hexadecimal", "poisson", "rng_for", "unique_id", "uuid_text"]

_BASE62 = string.ascii_letters + string.digits
_BASE32 = string.ascii_uppercase + "234567"


def rng_for(seed: int, *parts: object) -> random.Random:
    """The generator for one thing, such as one window of one region. Text seeds are stable across Python versions."""
    return random.Random("|".join(map(str, (seed, *parts))))  # noqa: S311 sample data, not secrets


def uuid_text(rng: random.Random) -> str:
    """A random UUID (version 4) as text."""
    digits = f"{rng.getrandbits(128):032x}"
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"


def hexadecimal(rng: random.Random, length: int) -> str:
    """Lower-case hexadecimal digits."""
    return f"{rng.getrandbits(4 * length):0{length}x}"


def base62(rng: random.Random, length: int) -> str:
    """Letters and digits, as in the last part of a CloudTrail file name."""
    return "".join(rng.choices(_BASE62, k=length))


def unique_id(rng: random.Random, prefix: str) -> str:
    """An IAM unique identifier or access key, such as ``AROA…``: 20 or 21 characters as AWS makes them."""
    length = 16 if prefix in {"AKIA", "ASIA"} else 17
    return prefix + "".join(rng.choices(_BASE32, k=length))


def poisson(rng: random.Random, mean: float) -> int:
    """A count with this mean; above 50 the normal approximation, which is as good and does not slow down."""
    if mean <= 0:
        return 0
    if mean > 50:
        return max(0, round(rng.gauss(mean, math.sqrt(mean))))
    limit, product, count = math.exp(-mean), rng.random(), 0
    while product > limit:
        product *= rng.random()
        count += 1
    return count
