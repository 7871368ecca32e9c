"""Names of the Domain Name System: the registered domain, and how much information a name carries.

Belongs here: columns made of distinct names. Does not belong here: what is counted of them (``dns_keys``).

The registered domain is what somebody had to buy or ask for: one label more than the public suffix. The public suffix
list has some 10,000 entries and changes weekly; the few here are those that matter for telling owners apart.
"""

import math

import polars as pl

__all__ = ["INFORMATION_STEP", "domains_and_information"]

_MAX_LENGTH = 96
# Countries that register below a second level.
_SECOND_LEVELS = {
    "ac": "at be cn id il in ir jp ke kr nz rs th tz ug uk za zw",
    "co": "at bw ck cr id il in jp ke kr ls ma mz nz pl th tz ug uk uz ve vi za zm zw",
    "com": "ag ai al ar au ba bd bh bn bo br bz cn co cu cy do ec eg es et fj ge gh gi gr gt hk hn hr jm jo kh kw ky "
    "kz lb lk ly mk mm mo mt mx my na nf ng ni np om pa pe pg ph pk pl pr py qa ro ru sa sb sg sl sv tj tn tr tw ua uy "
    "vc ve vn",
    "edu": "ar au br cn co ec eg es gr hk in mx my ng pe ph pk pl sg tr tw ua uy vn",
    "go": "id jp ke kr th tz ug",
    "gob": "ar cl es mx pe ve",
    "gov": "ar au bd br cn co cy eg gr hk il in it ke my ng nz ph pk pl sa sg tr tw ua uk vn za",
    "mil": "ar au br cn id in kr my nz ph pl tr za",
    "ne": "jp ke kr tz ug",
    "net": "ar au br cn co cy do ec eg gr hk il in mx my ng np nz pe ph pk pl ru sa sg th tr tw ua uk uy vn za",
    "or": "at id jp ke kr th tz ug",
    "org": "ar au br cn co cy ec eg es gr hk il in mx my ng np nz pe ph pk pl ru sa sg tr tw ua uk uy vn za",
}
# Services that give names to anybody: each name below is another owner's. Content networks are not among them: their
# names are many and say nothing.
_SERVICES = (
    "github.io", "gitlab.io", "bitbucket.io", "herokuapp.com", "netlify.app", "vercel.app", "web.app",
    "firebaseapp.com", "pages.dev", "workers.dev", "trycloudflare.com", "ngrok.io", "ngrok.app", "ngrok-free.app",
    "loca.lt", "serveo.net", "duckdns.org", "ddns.net", "hopto.org", "no-ip.org", "zapto.org", "sytes.net",
    "dyndns.org", "dynu.net", "azurewebsites.net", "cloudapp.net", "blogspot.com", "wordpress.com", "weebly.com",
    "onrender.com", "fly.dev", "glitch.me", "repl.co", "appspot.com", "run.app", "lambda-url.on.aws",
    "s3.amazonaws.com", "s3-website.amazonaws.com", "in-addr.arpa", "ip6.arpa",
)  # fmt: skip
_SUFFIXES = (
    *(f"{second}.{country}" for second, countries in _SECOND_LEVELS.items() for country in countries.split()),
    *(name for name in _SERVICES if not name.endswith(".arpa")),
)
#: Names of addresses: the network they ask about is no domain that anybody owns.
_REVERSE = r"(?:^|\.)(in-addr|ip6)\.arpa$"
#: Bits in a step of information.
INFORMATION_STEP = 16
_MOST_STEPS = 23
_CHARACTERS = "abcdefghijklmnopqrstuvwxyz0123456789-_"
_MOST = 255
#: c · log2(c) in units of 1/1,024 bit, for counts of one character.
_WEIGHTS = pl.Series([0, *(round(count * math.log2(count) * 1024) for count in range(1, _MOST + 1))], dtype=pl.Int64)


def _labels(names: pl.Series) -> pl.DataFrame:
    """``name`` (lower case, without the dot at its end) and ``owned``: how many labels the registered domain has."""
    name = pl.col("name").str.slice(0, _MOST).str.to_lowercase().str.strip_chars(". ")
    last = pl.col("labels")
    return (
        names.to_frame("name")
        .select(name.fill_null(""))
        .with_columns(labels=pl.col("name").str.split("."))
        .with_columns(two=last.list.tail(2).list.join("."), three=last.list.tail(3).list.join("."))
        .with_columns(
            owned=pl.when(pl.col("name").str.contains(_REVERSE))
            .then(2)
            .when(pl.col("three").is_in(_SUFFIXES))
            .then(4)
            .when(pl.col("two").is_in(_SUFFIXES))
            .then(3)
            .otherwise(2)
        )
    )


def domains_and_information(names: pl.Series) -> pl.DataFrame:
    """What is counted of names.

    The information is length times entropy of the characters below the public suffix: n · log2 n − Σ c · log2 c over
    the counts c of each character, after Shannon (1948). Words of a language repeat letters and are short; data that is
    squeezed into names does not and is long.

    Returns:
        ``domain``: the registered domain in lower case (``a.b.example.co.uk`` → ``example.co.uk``), "" for "" and null.
        ``step``: Int64, 0 to 23: the information in steps of `INFORMATION_STEP` bits; null where there is none.
    """
    labels = pl.col("labels")
    plain = _labels(names).select(
        domain=labels.list.tail(pl.col("owned")).list.join(".").str.slice(0, _MAX_LENGTH),
        text=labels.list.head(labels.list.len() - pl.col("owned") + 1).list.join(""),
        reverse=pl.col("name").str.contains(_REVERSE),
    )
    counts = plain.select(
        pl.col("text").str.len_chars().alias("all"),
        *(pl.col("text").str.count_matches(character, literal=True).alias(character) for character in _CHARACTERS),
    )
    # All other characters count as one.
    counts = counts.with_columns(other=pl.col("all") - pl.sum_horizontal(*_CHARACTERS))
    # Whole numbers: their sum has no order.
    weighed = pl.DataFrame(
        [_WEIGHTS[counts[name].clip(0, _MOST).cast(pl.UInt32)].alias(name) for name in counts.columns]
    )
    bits = (pl.col("all") - pl.sum_horizontal(*_CHARACTERS, "other")) // (1024 * INFORMATION_STEP)
    step = weighed.select(step=bits.clip(0, _MOST_STEPS))["step"]
    known = ~plain["reverse"] & (plain["text"] != "")
    return plain.select("domain").with_columns(step=step.zip_with(known, pl.Series([None], dtype=pl.Int64)))
