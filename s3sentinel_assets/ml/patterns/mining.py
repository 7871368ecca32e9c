"""Mining: which parts of masked texts are values all the same, told by comparing the texts with each other.

Belongs here: skeletons → templates. Does not belong here: certain values (``masks``), ids and memory (``catalogue``).

The rule: a place holds values where several texts differ there *and nowhere else*. How many are needed depends on what
is seen: few for names with signs or digits in them and behind words such as "user" or "from", more for plain words,
which mostly say what happened ("opened", "closed"). So "Failed password for root from <ip>" is one template with all
other users, however often root is tried, and "session opened" and "session closed" stay two.

Each round exchanges at most one place of a text, the one with most evidence, then equal texts become one and the next
round sees what has become alike; texts that fit a template found meanwhile join it.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl

from s3sentinel_assets.ml.patterns.tokens import TokenTable, mix, token_table

__all__ = ["absorb", "mine"]

_Numbers = np.ndarray
_ROUNDS = 12


@dataclass(frozen=True)
class _Needed:
    """How many different tokens at a place, all else being equal, make it a value.

    Attributes:
        words: of any kind.
        names: of such that look like names; they must be half of them.
        cued: of any kind behind a word that announces a value.
    """

    words: int
    names: int
    cued: int


#: With two or more constant words left in the text; with one; with none, where a text would lose its meaning.
_TEXT = (_Needed(6, 3, 3), _Needed(10, 5, 3), _Needed(60, 40, 60))
#: The same for the segments of paths, which are names by nature.
_PATH = (_Needed(12, 8, 12), _Needed(20, 12, 20), _Needed(40, 30, 40))
# Two places that change independently never leave all else equal: many different tokens in the texts that begin alike.
_SPREAD, _SPREAD_SHARE = 8, 0.5
_CUE = (
    r"^(?:users?|by|from|for|to|host|hostname|named?|account|group|client|server|domain|uid|ruser|rhost|logname|device|"
    r"interface|address|addr|ip|node|container|pod|image|job|task|queue|topic|session|id|key|file|service|unit)$"
)
_PLACEHOLDER = r"<(?:\*|url|email|uuid|mac|time|ip|path|hex|id|num|str|esc)>"
_NAME = r"[_.\-/@:\\#$=0-9]|[a-z][A-Z]"
_EDGES = r"^[\[(\"'{]+|[\])}\"',.;:!?]+$"
_WORD = r"^[A-Za-z]{2,}$"


@dataclass(frozen=True)
class _Traits:
    """What is known of each token of a vocabulary, Boolean by code."""

    filled: _Numbers
    name: _Numbers
    stable: _Numbers
    cue: _Numbers


def _traits(vocabulary: pl.Series) -> _Traits:
    bare = vocabulary.str.replace_all(_EDGES, "")
    filled = vocabulary.str.contains(_PLACEHOLDER)
    name = bare.str.contains(_NAME) & ~filled
    stable = bare.str.strip_prefix("/").str.contains(_WORD) & ~filled
    lower = bare.str.to_lowercase()
    cue = lower.str.contains(_CUE) | vocabulary.str.contains(r"[=:]$")
    return _Traits(*(column.to_numpy() for column in (filled, name, stable, cue)))


def mine(heads: pl.Series, bodies: pl.Series, paths: pl.Series) -> pl.Series:
    """The template of each text; a text that nothing is like is its own.

    Args:
        heads: String, shape (n,): texts are compared within one head.
        bodies: String, shape (n,): masked texts or templates, tokens separated by single spaces.
        paths: Boolean, shape (n,): whether the tokens are segments of a path.
    """
    if not bodies.len():
        return bodies
    table = token_table(heads, bodies)
    traits = _traits(table.vocabulary)
    is_path = paths.to_numpy()
    for number in range(_ROUNDS):
        changed = _by_context(table, traits, is_path)
        changed |= absorb(table)
        changed = changed or _by_template(table, traits, is_path) or (not number and _by_spread(table, traits, is_path))
        if not changed:
            break
    return table.texts()


def _firsts(hashes: _Numbers) -> tuple[_Numbers, _Numbers]:
    """The place of the first text of each distinct hash, and for each text which distinct one it is."""
    _, first, inverse = np.unique(hashes, return_index=True, return_inverse=True)
    return first, inverse


def _by_context(table: TokenTable, traits: _Traits, is_path: _Numbers) -> bool:
    """One round of the rule; whether anything changed."""
    cells = table.cell_hashes()
    rows = table.row_hashes(cells)
    first, inverse = _firsts(rows)
    # Only distinct texts are evidence: equal ones would count one token twice.
    lead = np.zeros(len(rows), dtype=bool)
    lead[first] = True
    at = lead[table.row]
    context = rows[table.row[at]] - cells[at] + mix(table.place[at] + np.int64(1 << 32))
    code = table.code[at]
    _, which, total = np.unique(context, return_inverse=True, return_counts=True)

    def share(mark: _Numbers) -> _Numbers:
        return np.bincount(which, weights=mark.astype(np.float64), minlength=len(total)).astype(np.int64)[which]

    count = total[which]
    names, filled = share(traits.name[code]), share(traits.filled[code])
    known = share(code == table.any)
    stable = traits.stable[table.code]
    rest = table.sums(stable.astype(np.int64))[table.row[at]] - stable[at]
    before = np.concatenate(([-1], table.code[:-1]))
    cue = np.where(table.place > 0, traits.cue[before], False)[at]
    enough = (code != table.any) & (count >= 2)
    enough &= ((rest >= 1) & ((known > 0) | (filled == count))) | _reached(
        count, names + filled, cue, rest, is_path[table.row[at]]
    )
    if not enough.any():
        return False
    # Of each text the place with most evidence; of several the first.
    where = np.flatnonzero(at)[enough]
    order = np.lexsort((table.place[where], -count[enough], table.row[where]))
    where = where[order]
    _, chosen = np.unique(table.row[where], return_index=True)
    targets = where[chosen]
    place_of = np.full(len(rows), -1, dtype=np.int64)
    place_of[table.row[targets]] = table.place[targets]
    # What the first of equal texts has learnt holds for the others.
    place_of = place_of[first][inverse]
    table.code[table.place == place_of[table.row]] = table.any
    return True


def _reached(count: _Numbers, names: _Numbers, cue: _Numbers, rest: _Numbers, path: _Numbers) -> _Numbers:
    """Whether the evidence is enough; see `_Needed`."""
    left = 2 - np.minimum(rest, 2)

    def needed(attribute: str) -> _Numbers:
        text, of_path = (np.array([getattr(step, attribute) for step in steps]) for steps in (_TEXT, _PATH))
        return np.where(path, of_path[left], text[left])

    by_name = (count >= needed("names")) & (2 * names >= count)
    return (count >= needed("words")) | by_name | (cue & (count >= needed("cued")))


def _by_template(table: TokenTable, traits: _Traits, is_path: _Numbers) -> bool:
    """The rule for texts that are like a template but for one place more; whether anything changed.

    Where names change at two places at once, a frequent one at one of them makes a template of the other. Seen with
    that template's values wiped, the rare ones are alike but for the first.
    """
    cells = table.cell_hashes()
    rows = table.row_hashes(cells)
    shape = _Shapes.of(table)
    first, _ = _firsts(rows)
    lead = np.zeros(len(rows), dtype=bool)
    lead[first] = True
    difference = table.wild_hashes() - cells
    stable = traits.stable[table.code]
    stables = table.sums(stable.astype(np.int64))
    taken = np.zeros(len(rows), dtype=bool)
    targets: list[_Numbers] = []
    for length, mark, places in shape.signatures(shape.is_template):
        those = shape.is_template & (shape.marks == np.uint64(mark)) & (shape.lengths == length)
        like = lead & (shape.lengths == length) & ~taken & np.isin(table.group, table.group[those])
        texts = np.flatnonzero(like)
        wild_cells = table.starts[texts][:, None] + places[None, :]
        wiped, index = np.unique(rows[texts] + difference[wild_cells].sum(axis=1, dtype=np.uint64), return_index=True)
        texts, wild_cells = texts[index], wild_cells[index]
        if len(texts) < 2:
            continue
        known = np.isin(wiped, rows[those])
        left = stables[texts] - stable[wild_cells].sum(axis=1)
        for place in set(range(length)) - set(places.tolist()):
            cell = table.starts[texts] + place
            _, which, total = np.unique(wiped - cells[cell], return_inverse=True, return_counts=True)
            code, count = table.code[cell], total[which]
            names = np.bincount(which, weights=traits.name[code] | traits.filled[code])[which]
            before = traits.cue[table.code[cell - 1]] if place else np.zeros(len(cell), dtype=bool)
            enough = (np.bincount(which, weights=known)[which] > 0) & ~taken[texts]
            enough &= _reached(count, names, before, left - stable[cell], is_path[texts])
            if enough.any():
                taken[texts[enough]] = True
                targets += [cell[enough], wild_cells[enough].ravel()]
    if targets:
        table.code[np.concatenate(targets)] = table.any
    return bool(targets)


def _by_spread(table: TokenTable, traits: _Traits, is_path: _Numbers) -> bool:
    """Places with many different tokens among texts of one length and one first word; whether anything changed."""
    rows = table.row_hashes(table.cell_hashes())
    first, _ = _firsts(rows)
    lead = np.zeros(len(rows), dtype=bool)
    lead[first] = True
    stable = traits.stable[table.code]
    # The first constant word of each text, and where it stands.
    word_at = np.flatnonzero(stable)
    having, index = np.unique(table.row[word_at], return_index=True)
    anchor = np.full(len(rows), -1, dtype=np.int64)
    anchor[having] = word_at[index]
    useful = (anchor >= 0) & lead & ~is_path
    key = mix(table.group + table.cell_hashes()[np.maximum(anchor, 0)])
    cell = useful[table.row] & (np.arange(len(table.row)) != anchor[table.row])
    spot = mix(key[table.row[cell]] + mix(table.place[cell] + np.int64(1 << 33)))
    code = table.code[cell]
    frame = pl.DataFrame({"spot": spot, "code": code, "name": traits.name[code] | traits.filled[code]})
    found = (
        frame.group_by("spot")
        .agg(pl.len().alias("rows"), pl.col("code").n_unique().alias("tokens"), pl.col("name").mean().alias("names"))
        .filter(
            (pl.col("tokens") > _SPREAD)
            & (pl.col("tokens") > _SPREAD_SHARE * pl.col("rows"))
            & (pl.col("names") >= 0.5)
        )
    )
    if found.is_empty():
        return False
    all_spots = mix(key[table.row] + mix(table.place + np.int64(1 << 33)))
    wild = np.isin(all_spots, found["spot"].to_numpy()) & (anchor >= 0)[table.row] & ~is_path[table.row]
    wild &= np.arange(len(table.row)) != anchor[table.row]
    changed = bool((table.code[wild] != table.any).any())
    table.code[wild] = table.any
    return changed


@dataclass(frozen=True)
class _Shapes:
    """Where texts have ``<*>``: ``marks`` has a bit for each place."""

    lengths: _Numbers
    marks: _Numbers
    wilds: _Numbers
    is_template: _Numbers

    @classmethod
    def of(cls, table: TokenTable) -> "_Shapes":
        wild = table.code == table.any
        wilds, lengths = table.sums(wild.astype(np.int64)), table.lengths
        bits = np.where(wild, np.uint64(1) << table.place.astype(np.uint64), np.uint64(0))
        return cls(lengths, table.sums(bits), wilds, (wilds > 0) & (wilds < lengths))

    def signatures(self, chosen: _Numbers) -> Iterator[tuple[int, int, _Numbers]]:
        """Length, marks and places of the chosen texts' shapes, fewest ``<*>`` first."""
        distinct = (
            pl.DataFrame({"length": self.lengths, "marks": self.marks, "wilds": self.wilds})
            .filter(pl.Series(chosen))
            .unique()
            .sort("wilds", "marks", "length", descending=[False, True, False])
        )
        for length, mark, _ in distinct.iter_rows():
            yield length, mark, np.array([place for place in range(length) if mark >> place & 1], dtype=np.int64)


def absorb(table: TokenTable, templates: _Numbers | None = None) -> bool:
    """Texts that fit a template take its form: where it has ``<*>``, they get ``<*>``.

    Of several templates that fit, the one with the fewest ``<*>`` wins, then the one whose ``<*>`` come last.

    Args:
        table: texts and templates; changed.
        templates: Boolean, shape (n,): which of the texts are templates; None: all that have a ``<*>``.

    Returns:
        Whether any text changed.
    """
    shape = _Shapes.of(table)
    is_template = shape.is_template if templates is None else shape.is_template & templates
    if not is_template.any():
        return False
    lengths, marks = shape.lengths, shape.marks
    original = table.cell_hashes()
    rows = table.row_hashes(original)
    difference = table.wild_hashes() - original
    settled = is_template.copy()
    changed = False
    by_length = {int(length): np.flatnonzero(lengths == length) for length in np.unique(lengths[is_template])}
    for length, mark, places in shape.signatures(is_template):
        candidates = by_length[length]
        candidates = candidates[~settled[candidates]]
        if not len(candidates):
            continue
        cells = table.starts[candidates][:, None] + places[None, :]
        wiped = rows[candidates] + difference[cells].sum(axis=1, dtype=np.uint64)
        known = rows[is_template & (marks == np.uint64(mark)) & (lengths == length)]
        fits = np.isin(wiped, known)
        if fits.any():
            changed = True
            settled[candidates[fits]] = True
            table.code[cells[fits].ravel()] = table.any
    return changed
