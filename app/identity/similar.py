"""How likely two profiles are one person: a score with its reasons, the same in any order. Pure."""

from collections.abc import Callable
from dataclasses import dataclass
from math import prod

from rapidfuzz import fuzz
from rapidfuzz.distance import JaroWinkler

from app.core import text
from app.persons.blocks import last_digits, local_part, names
from app.persons.model import Person

# Below it two persons are strangers.
DUPLICATE_SCORE_MIN = 0.5
SCORE_DIGITS = 2
# What each reason says for itself; together they count as chances do: 1 - (1 - a)(1 - b), which never exceeds 1.
# Alone suffice a name that is the same, an email that differs by dots or a +tag, a number with and without its country.
SAME_NAME, SIMILAR_NAME = "SAME_NAME", "SIMILAR_NAME"
SIMILAR_EMAIL, SIMILAR_PHONE = "SIMILAR_EMAIL", "SIMILAR_PHONE"
SAME_BIRTH_DATE, SAME_ADDRESS, SAME_CITY = "SAME_BIRTH_DATE", "SAME_ADDRESS", "SAME_CITY"
REASONS = (SAME_NAME, SIMILAR_NAME, SIMILAR_EMAIL, SIMILAR_PHONE, SAME_BIRTH_DATE, SAME_ADDRESS, SAME_CITY)
WEIGHTS = {SAME_NAME: 0.5, SIMILAR_NAME: 0.4, SAME_BIRTH_DATE: 0.3, SAME_ADDRESS: 0.3, SAME_CITY: 0.1}
# Of an email: one mailbox, the same name at another provider, nearly the same letters.
MAILBOX, ELSEWHERE, NEARLY = 0.7, 0.5, 0.3
# Of a number: one is the end of the other, or only the last digits agree.
NUMBER, ENDING = 0.6, 0.3
# What is left of the score where two facts speak against it.
OTHER_BIRTH_DATE, OTHER_GENDER, OTHER_FIRST_NAME, OTHER_CITY = 0.4, 0.7, 0.5, 0.9
FIRST_NAMES_ALIKE, LAST_NAMES_ALIKE, FIRST_NAMES_OTHER = 0.85, 0.88, 0.7
LOCAL_PARTS_ALIKE = 90
# Of two persons with a hundred emails each not every one is held against every other, letter by letter.
CONTACTS_COMPARED = 5


@dataclass(frozen=True, slots=True)
class Traits:
    """What of a person is compared, in its normal form; worked out once for many comparisons."""

    names: tuple[str, ...]
    emails: dict[str, frozenset[str]]
    phones: dict[str, frozenset[str]]
    birth_date: str | None
    gender: str | None
    address: str
    city: str


@dataclass(frozen=True, slots=True)
class Likeness:
    """A score of 0 to 1, and why."""

    score: float
    reasons: tuple[str, ...] = ()


def traits(person: Person) -> Traits:
    """Return what of a person is compared."""
    return Traits(
        tuple(names(person.first_name, person.last_name)),
        _grouped([one.address for one in person.emails], local_part),
        _grouped([one.number.lstrip("0") for one in person.phones], last_digits),
        person.birth_date,
        person.gender,
        text.fold(person.address or ""),
        text.fold(person.city or ""),
    )


def alike(one: Traits, other: Traits) -> Likeness:
    """Return how likely two profiles are one person."""
    found = {
        **_names(one.names, other.names),
        **_weighed(SIMILAR_EMAIL, _emails(one.emails, other.emails)),
        **_weighed(SIMILAR_PHONE, _phones(one.phones, other.phones)),
    }
    same = [
        name
        for name, mine, theirs in (
            (SAME_BIRTH_DATE, one.birth_date, other.birth_date),
            (SAME_ADDRESS, one.address, other.address),
            (SAME_CITY, one.city, other.city),
        )
        if mine and mine == theirs
    ]
    found |= {name: WEIGHTS[name] for name in same}
    # In the order of the table: the last digit of a product must not hang on who comes first.
    reasons = tuple(name for name in REASONS if name in found)
    chance = 1 - prod([1 - found[name] for name in reasons])
    return Likeness(round(chance * prod(_against(one, other)), SCORE_DIGITS), reasons)


def _grouped(values: list[str], key: Callable[[str], str | None]) -> dict[str, frozenset[str]]:
    """Return values by what is compared of them; those of which nothing is are left out."""
    found: dict[str, set[str]] = {}
    for value in values:
        if (compared := key(value)) is not None:
            found.setdefault(compared, set()).add(value)
    return {compared: frozenset(held) for compared, held in found.items()}


def _weighed(reason: str, weight: float) -> dict[str, float]:
    return {reason: weight} if weight else {}


def _names(one: tuple[str, ...], other: tuple[str, ...]) -> dict[str, float]:
    """Compare whole names, in either order; half a name says nothing."""
    if not one or not other:
        return {}
    if sorted(one) == sorted(other):
        return _weighed(SAME_NAME, WEIGHTS[SAME_NAME])
    straight = _alike(one[0], other[0]) >= FIRST_NAMES_ALIKE and _alike(one[-1], other[-1]) >= LAST_NAMES_ALIKE
    crossed = _alike(one[0], other[-1]) >= LAST_NAMES_ALIKE and _alike(one[-1], other[0]) >= LAST_NAMES_ALIKE
    return _weighed(SIMILAR_NAME, WEIGHTS[SIMILAR_NAME]) if straight or crossed else {}


def _alike(one: str, other: str) -> float:
    """Return how alike two names are, 0 to 1; an initial is as good as the name."""
    if one == other or (min(len(one), len(other)) == 1 and one[0] == other[0]):
        return 1.0
    # The measure is greedy, so that its order may matter.
    return JaroWinkler.normalized_similarity(*sorted((one, other)))


def _emails(one: dict[str, frozenset[str]], other: dict[str, frozenset[str]]) -> float:
    shared = one.keys() & other.keys()
    if any(_domains(one[local]) & _domains(other[local]) for local in shared):
        return MAILBOX
    if shared:
        return ELSEWHERE
    mine, theirs = (sorted(emails)[:CONTACTS_COMPARED] for emails in (one, other))
    return NEARLY if any(_nearly(local, another) for local in mine for another in theirs) else 0.0


def _domains(addresses: frozenset[str]) -> set[str]:
    return {address.rpartition("@")[2] for address in addresses}


def _nearly(one: str, other: str) -> bool:
    # Other digits are another person: addresses are numbered where a name is taken.
    digits = [[char for char in local if char.isdigit()] for local in (one, other)]
    return digits[0] == digits[1] and fuzz.ratio(*sorted((one, other))) >= LOCAL_PARTS_ALIKE


def _phones(one: dict[str, frozenset[str]], other: dict[str, frozenset[str]]) -> float:
    shared = one.keys() & other.keys()
    pairs = [(mine, theirs) for ending in shared for mine in one[ending] for theirs in other[ending]]
    if any(mine.endswith(theirs) or theirs.endswith(mine) for mine, theirs in pairs):
        return NUMBER
    return ENDING if pairs else 0.0


def _against(one: Traits, other: Traits) -> list[float]:
    """Return what speaks against it, in a fixed order."""
    return [
        OTHER_BIRTH_DATE if _differ(one.birth_date, other.birth_date) else 1.0,
        OTHER_GENDER if _differ(one.gender, other.gender) else 1.0,
        OTHER_FIRST_NAME if one.names and other.names and _strangers(one.names, other.names) else 1.0,
        OTHER_CITY if _differ(one.city, other.city) else 1.0,
    ]


def _differ(one: str | None, other: str | None) -> bool:
    return bool(one and other and one != other)


def _strangers(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    """Tell whether first names are quite different, also where one of them stands last: a family shares much else."""
    nearest = max(_alike(one[0], other[0]), min(_alike(one[0], other[-1]), _alike(one[-1], other[0])))
    return nearest < FIRST_NAMES_OTHER
