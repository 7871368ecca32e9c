"""More entropy for generated logs, so that they compress as real ones do.

Belongs here: seeded changes to the text of an object. Does not belong here: making objects (the generator) or keeping
them (``inputs``). Real CloudTrail files compress about 8 to 10 times and flow logs about 5 times; the generator's cast
is small, so that its files compress better than that.
"""

import random
import re
from collections.abc import Callable

__all__ = ["varied"]

_SPARK_PART = re.compile(r"(part-\d{5})\.parquet")
_PARAMETERS = re.compile(r'"requestParameters":\{(?=")')
_CLONES = 12


def _uuid(rng: random.Random) -> str:
    digits = f"{rng.getrandbits(128):032x}"
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"


def _cloudtrail(text: str, rng: random.Random) -> str:
    """File names as Spark writes them, and the token that most SDKs send along with a request."""
    records = text.split('{"eventVersion":')
    for place in range(1, len(records)):
        record = records[place]
        if _SPARK_PART.search(record):
            name = rf"\1-{_uuid(rng)}-c000.snappy.parquet"  # one object: the same name wherever it stands
            records[place] = _SPARK_PART.sub(name, record)
        else:
            records[place] = _PARAMETERS.sub(f'"requestParameters":{{"clientToken":"{_uuid(rng)}",', record, count=1)
    return '{"eventVersion":'.join(records)


def _flow_log(text: str, rng: random.Random) -> str:
    """More interfaces, windows that do not all begin alike, sizes and strangers as mixed as they are."""
    header, *lines = text.rstrip("\n").split("\n")
    at = {name: place for place, name in enumerate(header.split(" "))}
    eni, sender, receiver = at["interface-id"], at["srcaddr"], at["dstaddr"]
    copies = [(at["pkt-srcaddr"], sender), (at["pkt-dstaddr"], receiver)] if "pkt-srcaddr" in at else []
    packets, size, start, end, status = at["packets"], at["bytes"], at["start"], at["end"], at["log-status"]
    draw = rng.random
    made = [header]
    for line in lines:
        fields = line.split(" ")
        if fields[status] == "OK":
            clone = int(draw() * _CLONES)
            fields[eni] = f"{fields[eni][:-2]}{clone:02x}"
            for place in (sender, receiver):
                address = fields[place]
                clone = int(draw() * _CLONES)
                first, second, third, fourth = address.split(".")
                if first == "10":
                    fields[place] = f"10.{second}.{int(third) + clone}.{fourth}"
                elif first == "100":
                    fields[place] = f"{first}.{second}.{int(draw() * 256)}.{1 + int(draw() * 254)}"
            for place, original in copies:
                fields[place] = fields[original]
            if (count := int(fields[packets])) > 1:
                count = max(1, int(count * (0.2 + 8 * draw() ** 3)))
                fields[packets] = str(count)
                fields[size] = str(count * 52 + int(count * draw() * 1448))
            begin = int(fields[start]) + int(draw() * 60)
            fields[start], fields[end] = str(begin), str(begin + 5 + int(draw() * 55))
        made.append(" ".join(fields))
    made.append("")
    return "\n".join(made)


_VARY: dict[str, Callable[[str, random.Random], str]] = {"cloudtrail": _cloudtrail, "vpc_flow": _flow_log}


def varied(source: str, text: str, seed: int, key: str) -> str:
    """The text of one object with more entropy; equal arguments give equal text."""
    return _VARY[source](text, random.Random(f"{seed}|{key}"))  # noqa: S311 - sample data
