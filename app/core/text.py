"""Normal forms: one way to write an email, a phone number, a name, so that equal things compare equal."""

import re
import unicodedata
from collections.abc import Callable

from email_validator import EmailNotValidError, validate_email

from app.core.errors import Refused

EMAIL_MAX = 255
PHONE_INPUT_MAX = 50
PHONE_DIGITS_MIN, PHONE_DIGITS_MAX = 7, 15
EXTERNAL_ID_MAX = 256
FORBIDDEN_IN_NAMES = '&<>"/\\\n\r:(){}=;#'
JUNK = frozenset(
    {"null", "undefined", "none", "nil", "nan", "0", "[object object]", "anonymous", "guest", "unknown", "n/a", "-"}
)

_FORBIDDEN = re.compile("[" + re.escape(FORBIDDEN_IN_NAMES) + "]")
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
# Within the brackets of a pattern. Those of Latin-1 as well, and what Unicode breaks lines and paragraphs with.
CONTROL_OR_BREAK = "\x00-\x1f\x7f-\x9f\u2028\u2029"
_CONTROL_OR_BREAK = re.compile(f"[{CONTROL_OR_BREAK}]")
_PHONE = re.compile(r"\+?[0-9 ()\[\]\-.\u00a0]+")
_NOT_DIGITS = re.compile(r"[^0-9]")
# A strict part of what the library accepts, so that the usual address costs two microseconds instead of a hundred.
_ATOM = r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+"
_PLAIN_EMAIL = re.compile(rf"{_ATOM}(?:\.{_ATOM})*@(?:[a-z0-9](?:[a-z0-9-]{{0,61}}[a-z0-9])?\.)+[a-z]{{2,63}}")
_LOCAL_PART_MAX = 64
# More marks on one letter no language has; to put them in order takes the square of their number.
MARKS_MAX = 30
_HEAP = bytes([True]) * (MARKS_MAX + 1)
_WORD = re.compile(r"\w+")
SHOWN = {"\n": "a line break", "\r": "a carriage return"}


def fold(text: str) -> str:
    """Return `text` without case and accents, for search and for names that must be unique."""
    if text.isascii():
        return text.lower().strip()
    # Without its marks beforehand: the form has no more of them to put in order.
    decomposed = unicodedata.normalize("NFKD", _markless(text.casefold()))
    return _markless(decomposed).strip()


def _markless(text: str) -> str:
    return "".join([char for char in text if not unicodedata.combining(char)])


def composed(text: str) -> str:
    """Return `text` in the one form, NFC, of all that are canonically equal; as it is where marks are heaped up."""
    if text.isascii() or (len(text) > MARKS_MAX and _HEAP in bytes(map(bool, map(unicodedata.combining, text)))):
        return text
    return unicodedata.normalize("NFC", text)


def caseless(text: str) -> str:
    """Return `text` without case, its accents kept: names of tags, attributes and companies are unique by it."""
    if text.isascii():
        return text.lower().strip()
    return composed(composed(text).casefold()).strip()


def words(*texts: str | None) -> list[str]:
    """Return the folded words of all `texts`, each once, in order."""
    # No word goes on behind a line break, so all texts are folded and searched in one go.
    return list(dict.fromkeys(_WORD.findall(fold("\n".join(filter(None, texts))))))


def email(value: str) -> str:
    """Return the address trimmed and folded; refuses what is none with INVALID, a long one with TOO_LONG."""
    address = value.strip().casefold()
    if len(address) > EMAIL_MAX:
        raise Refused("TOO_LONG", f"An email address has at most {EMAIL_MAX} characters.")
    if address.rfind("@") > _LOCAL_PART_MAX:
        raise Refused("INVALID", f"An email address has at most {_LOCAL_PART_MAX} characters before the @.")
    if _PLAIN_EMAIL.fullmatch(address):
        return address
    try:
        checked = validate_email(address, check_deliverability=False, globally_deliverable=False)
    except EmailNotValidError as error:
        raise Refused("INVALID", "This is not an email address.") from error
    return checked.normalized.casefold()


def phone(value: str) -> str:
    """Return the digits alone; refuses other characters, and fewer than 7 or more than 15 digits, with INVALID."""
    if len(value) > PHONE_INPUT_MAX:
        raise Refused("TOO_LONG", f"A phone number is written with at most {PHONE_INPUT_MAX} characters.")
    text = value.strip()
    digits = _NOT_DIGITS.sub("", text)
    if not _PHONE.fullmatch(text) or not PHONE_DIGITS_MIN <= len(digits) <= PHONE_DIGITS_MAX:
        low, high = PHONE_DIGITS_MIN, PHONE_DIGITS_MAX
        raise Refused(
            "INVALID", f"A phone number has {low} to {high} digits, with +, spaces, dashes and brackets between."
        )
    return digits


def external_id(value: str) -> str:
    """Return the id as it is; refuses junk such as `null`, which would make one person of many."""
    if len(value) > EXTERNAL_ID_MAX:
        raise Refused("TOO_LONG", f"An external id has at most {EXTERNAL_ID_MAX} characters.")
    if not value.strip() or value.strip().lower() in JUNK:
        raise Refused("INVALID", f"{value!r} can't be an external id: it would be the same for many persons.")
    # In the form that it came in: what another system tells apart is not joined here.
    return line(value)


def short(limit: int) -> Callable[[str], str]:
    """Return the check of a free text, composed, of at most `limit` characters: TOO_LONG, FORBIDDEN_CHARACTER."""
    return _short(limit, plain)


def short_line(limit: int) -> Callable[[str], str]:
    """Return the same check of a text of one line."""
    return _short(limit, line)


def _short(limit: int, fit: Callable[[str], str]) -> Callable[[str], str]:
    def check(value: str) -> str:
        found = composed(value)
        if len(found) > limit:
            raise Refused("TOO_LONG", f"This has at most {limit} characters.")
        return fit(found)

    return check


def plain(value: str) -> str:
    """Return the text; refuses control characters beside tabs and line breaks: other systems can't take them."""
    _refuse_control(_CONTROL.search(value))
    return value


def line(value: str, *at: str) -> str:
    """Return a text of one line; refuses all control characters, tabs and line breaks of any kind among them."""
    _refuse_control(_CONTROL_OR_BREAK.search(value), at)
    return value


def _refuse_control(found: re.Match[str] | None, at: tuple[str, ...] = ()) -> None:
    if found:
        message = f"A text can't contain the control character U+{ord(found.group()):04X}."
        raise Refused("FORBIDDEN_CHARACTER", message, at)


def cleaned(value: str) -> str:
    """Return a name without the characters that names can't have: channels would lose a lead by them."""
    value = composed(value)
    found = _FORBIDDEN.sub("", _CONTROL_OR_BREAK.sub("", value))
    return value if found == value else found.strip()


def flat(value: str) -> str:
    """Return a text as one line, which channels don't always give."""
    found = _CONTROL_OR_BREAK.sub(" ", value)
    return value if found == value else " ".join(found.split())


def refuse_forbidden(value: str) -> None:
    """Refuse a name that has one of the sixteen forbidden characters, naming it."""
    found = _FORBIDDEN.search(value)
    if found:
        char = found.group()
        raise Refused("FORBIDDEN_CHARACTER", f"A name can't contain {SHOWN.get(char, char)}.")
