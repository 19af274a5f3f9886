"""Words that only look-alikes share: by them persons are compared with few others, never with everybody.

A person's document holds them among its words. They begin with a mark that no word of a search begins with. Each is a
key of an index, paid for with every write: what another word says already is not kept.
"""

from functools import lru_cache
from itertools import zip_longest

from app.core import text
from app.persons.model import Person

MARK = "~"
MARK_OF_EMAILS = "~@"
# A name and the first contacts find what there is to find.
BLOCKS_MAX = 4
PHONE_DIGITS = 8
LOCAL_PART_CHARACTERS = 5
FIRST_NAME_LETTERS = 2
LAST_NAME_LETTERS = 12
CODES_KEPT = 20_000
# Mailboxes of an office, behind which anybody may be.
OFFICES = frozenset(
    {"admin", "billing", "contact", "hello", "kontakt", "noreply", "office", "sales", "service", "support", "unknown"}
)
_NAMES = str.maketrans({"-": " ", "'": None, "\u2019": None, ".": None, ",": None})
# Letters that are heard alike, as they are once case and accents are gone.
_ALIKE = {"c": "k", "q": "k", "z": "s", "v": "f", "w": "f", "d": "t", "ł": "l", "đ": "t", "ð": "t", "þ": "t"}
_FIRST = str.maketrans(_ALIKE)
_SILENT = "aeiouyhøæœ\u0131"
_REST = str.maketrans({**_ALIKE, **dict.fromkeys(_SILENT)})


def blocks(person: Person) -> list[str]:
    """Return at most BLOCKS_MAX words that a person shares with its look-alikes: of its name, emails, phone numbers."""
    return list(_found(person))


def kept(person: Person) -> list[str]:
    """Return those of the blocks that the person's other words don't say."""
    return [block for block, told in _found(person).items() if not told]


def _found(person: Person) -> dict[str, bool]:
    """Return the blocks, each with whether another word says it."""
    found: dict[str, bool] = {}
    if parts := names(person.first_name, person.last_name):
        found[_name_block(parts[0], parts[-1])] = False
    # As a rule there is one of each; of several both kinds have their turn.
    for email, phone in zip_longest(person.emails, person.phones):
        if len(found) >= BLOCKS_MAX:
            break
        if email and (local := local_part(email.address)):
            block = MARK_OF_EMAILS + local
            found[block] = found.get(block, False) or _is_word(local, email.address)
        if phone and (digits := last_digits(phone.number)):
            found[MARK + digits] = False
    if len(found) > BLOCKS_MAX:
        found.popitem()
    return found


def words_of(block: str) -> tuple[str, ...]:
    """Return the words by which a block is found: an email without separators is a word of its person as it stands."""
    return (block, block[len(MARK_OF_EMAILS) :]) if block.startswith(MARK_OF_EMAILS) else (block,)


def swapped(person: Person) -> str | None:
    """Return the word that the person would have with first and last name in each other's place."""
    parts = names(person.first_name, person.last_name)
    return _name_block(parts[-1], parts[0]) if parts else None


def names(first: str | None, last: str | None) -> list[str]:
    """Return the folded words of a whole name, the first name first; none where it is only half of one."""
    folded = text.fold(f"{first or ''} {last or ''}")
    parts = folded.split()
    if not all(map(str.isalpha, parts)):
        parts = folded.translate(_NAMES).split()
    return parts if len(parts) > 1 else []


def _name_block(first: str, last: str) -> str:
    """Return the word of a name as it is heard: the last name, and how the first one begins."""
    return f"{MARK}{_code(last)[:LAST_NAME_LETTERS]} {_code(first)[:FIRST_NAME_LETTERS]}"


@lru_cache(maxsize=CODES_KEPT)
def _code(name: str) -> str:
    """Return a folded name as it is heard: Smith and Smyth, Müller and Mueller, Schmid and Schmidt are the same."""
    heard = name[0].translate(_FIRST) + name[1:].translate(_REST)
    code = "".join([heard[at] for at in range(len(heard)) if not at or heard[at] != heard[at - 1]])
    return code if len(code) > 1 else name


def local_part(address: str) -> str | None:
    """Return what tells of an address who it is: before the @, without separators and +tag; None where that is little.

    The domain says nothing: people have one name at several.
    """
    local = address.partition("@")[0].partition("+")[0]
    local = local.replace(".", "").replace("_", "").replace("-", "")
    return local if len(local) >= LOCAL_PART_CHARACTERS and local not in OFFICES else None


def _is_word(local: str, address: str) -> bool:
    """Tell whether the words of a person have it as it stands."""
    return local.isalnum() and local.isascii() and address.startswith(local) and address[len(local)] in "@+"


def last_digits(number: str) -> str | None:
    """Return the end of a number, which is the same with and without its country; None where it is too short."""
    return number[-PHONE_DIGITS:] if len(number) >= PHONE_DIGITS else None
