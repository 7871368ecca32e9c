"""Masks: what is certain to be a value becomes a placeholder, so that texts of one kind become alike.

Belongs here: regular expressions over whole columns. Does not belong here: what only comparison shows to be a value
(``mining``).

Masks are applied in order, the telling ones first: an address must be gone before its numbers are. Placeholders are
``<url> <email> <uuid> <mac> <time> <ip> <path> <hex> <id> <num> <str>`` and ``<*>`` for anything. A mask is skipped
where no text holds the sign that it needs, which is what makes them quick.
"""

import polars as pl

__all__ = ["ANY", "CUT", "TEXT_CHARACTERS", "TOKENS", "cut_paths", "mask_paths", "mask_texts"]

#: Stands for any value.
ANY = "<*>"
#: What lies behind is not looked at: a kind of event shows early, and a dump of memory must not cost a second.
TEXT_CHARACTERS = 512
#: Words of a text or segments of a path that are compared.
TOKENS = 40
#: A token more, the last one of a path that had more segments. A path without it never is of one template with it.
CUT = "/…"

_MONTH = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*"
_CLOCK = r"\d{1,2}:\d{2}(?::\d{2})?(?:[.,]\d+)?"
_ZONE = r"(?:\s?(?:Z|UTC|GMT|[+-]\d{2}:?\d{2}))?"
_DAY = r"(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*,?\s+)?\b"
_TIMES = (
    rf"\b(?:19|20)\d{{2}}[-/.]\d{{2}}[-/.]\d{{2}}(?:[T_ ]{_CLOCK}{_ZONE})?\b",
    rf"\b\d{{1,2}}[-/]{_MONTH}[-/]\d{{4}}(?:[: ]{_CLOCK}{_ZONE})?",
    rf"{_DAY}(?:\d{{1,2}} )?{_MONTH}\s+(?:\d{{1,2}},?\s+)?{_CLOCK}{_ZONE}(?:\s\d{{4}})?",
    rf"\b{_CLOCK}\b{_ZONE}",
)
# Words whose value says what happened, not to whom.
_TELLING = (
    "action|act|outcome|result|res|status|state|event|type|level|severity|op|operation|reason|method|proto|protocol|"
    "direction|verdict|decision|success|policy|service|subtype|terminal|acct_status|msg"
)
_IPV6 = (
    r"(?:\b[0-9a-fA-F]{1,4}(?:::?[0-9a-fA-F]{1,4}){2,7}\b|\b[0-9a-fA-F]{3,4}::[0-9a-fA-F]{1,4}\b"
    r"|\B::[0-9a-fA-F]{1,4}\b)(?:%\w+|/\d+)?"
)
_KEPT = "\x02"
#: (a sign without which it cannot apply, expression, replacement)
_MASKS: tuple[tuple[str | None, str, str], ...] = (
    ('"', rf'\b((?i:{_TELLING}))="([A-Za-z][A-Za-z_-]*)"', f"${{1}}{_KEPT}${{2}}"),
    ('"', r'"[^"]*"', "<str>"),
    ("SHA256:", r"\bSHA256:[\w+/=-]+", "<hex>"),
    ("://", r"\b[A-Za-z][A-Za-z0-9+.-]{1,15}://[^\s\"'<>,;)\]}]+", "<url>"),
    ("@", r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+", "<email>"),
    ("-", r"\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b", "<uuid>"),
    (":", r"\b[0-9a-fA-F]{2}(?:[:-][0-9a-fA-F]{2}){5,}\b", "<mac>"),
    (":", "|".join(_TIMES), "<time>"),
    (None, r"\b(?:19|20)\d{2}[-/.]\d{2}[-/.]\d{2}\b", "<time>"),
    (":", _IPV6, "<ip>"),
    (".", r"\b\d{1,3}(?:\.\d{1,3}){3}(?:(?:[:/#]|\(\s?)\d{1,5}\)?)?", "<ip>"),
    ("\\", r"\b[A-Za-z]:\\[^\s\"',;)\]}]*", "<path>"),
    ("/", r"\B(?:/[\w.@%+~:-]+){2,}/?|\B/[\w.-]+/", "<path>"),
    ("=", rf"\b((?i:{_TELLING}))=([A-Za-z][A-Za-z_-]*)\b", f"${{1}}{_KEPT}${{2}}"),
    ("=", r"=[^\s,;|&)\]}=]*", "=<*>"),
    (_KEPT, _KEPT, "="),
    ("0x", r"\b0[xX][0-9a-fA-F]+\b", "<hex>"),
    (None, r"\b(?:\d+[a-fA-F]|[a-fA-F]+\d)[0-9a-fA-F]*\b", "<hex>"),
    (None, r"\b(?:[A-Za-z]+\d+[A-Za-z]+|\d+[A-Za-z]+\d+)[A-Za-z0-9]*\b", "<id>"),
    (None, r"[-+]?\d+(?:[.,:]\d+)*", "<num>"),
    ("<", r"[\w./-]*(?:<(?:num|hex|id)>[\w./-]*){3,}", "<id>"),
    ("<num>", r"<num>(?:(?:\s*[,;/:x-]\s*|\s+)<num>)+", "<num>"),
)
_PATH_MASKS: tuple[tuple[str | None, str, str], ...] = (
    ("%", r"(?:%[0-9A-Fa-f]{2})+", "<esc>"),
    ("-", r"\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b", "<uuid>"),
    ("@", r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+", "<email>"),
    (None, r"/[0-9a-fA-F]{16,}\b", "/<hex>"),
    (None, r"/[^/\s]{40,}", "/<id>"),
    (None, r"\d+(?:[.,:]\d+)*", "<num>"),
    ("<num>", r"/(?:[^/\s<]*<num>){3,}[^/\s]*", "/<id>"),
)


def mask_texts(texts: pl.Series) -> pl.Series:
    """Free texts with placeholders for values, white space as single spaces, cut after `TEXT_CHARACTERS`."""
    cut = texts.str.slice(0, TEXT_CHARACTERS)
    masked = _apply(cut, _MASKS)
    return masked.str.replace_all(r"\s+", " ").str.strip_chars(" ")


def mask_paths(addresses: pl.Series) -> pl.Series:
    """The path templates of web addresses, request lines or paths: ``/users/<num>/orders``.

    Scheme, host, query and fragment are left out, a request line's method and version too. The segments are separated
    by `` /``, so that each is a token; see `cut_paths`.
    """
    text = addresses.str.slice(0, 2 * TEXT_CHARACTERS)
    if text.str.contains(" ", literal=True).any():
        text = text.str.replace(r"^[A-Z]{3,10} +", "").str.replace(r" +HTTP/[0-9.]+$", "")
    if text.str.contains("://", literal=True).any():
        text = text.str.replace(r"^[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*", "")
    text = text.str.replace(r"[?#;].*$", "").str.replace_all(r"\s", "+")
    masked = _apply(text, _PATH_MASKS).str.replace_all(r"/+", " /").str.strip_chars(" ")
    if not masked.len():
        return masked
    return cut_paths(pl.select(pl.when(masked == "").then(pl.lit("/")).otherwise(masked)).to_series())


def cut_paths(paths: pl.Series) -> pl.Series:
    """Path templates with `TOKENS` segments at most; those that had more end with `CUT`. What is cut stays as it is."""
    long = paths.str.count_matches(" ", literal=True) >= TOKENS
    if not long.any():
        return paths
    short = pl.lit(paths.str.split(" ").list.head(TOKENS).list.join(" ")) + f" {CUT}"
    return pl.select(pl.when(long).then(short).otherwise(paths).alias(paths.name)).to_series()


def _apply(texts: pl.Series, masks: tuple[tuple[str | None, str, str], ...]) -> pl.Series:
    for sign, expression, replacement in masks:
        if sign is not None:
            having = texts.str.contains(sign, literal=True)
            if not having.any():
                continue
        texts = texts.str.replace_all(expression, replacement)
    return texts
