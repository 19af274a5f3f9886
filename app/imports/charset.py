"""Which charset a file is written in, by its first bytes; and the mark that a byte leaves which doesn't fit it."""

import codecs
import re

from charset_normalizer import from_bytes

GUESS_BYTES = 65_536
# Stands where bytes don't fit the charset: a character of no text, which by Unicode's rules stays inside a program.
MARK = "\ufdd0"
# The name of the error handler that leaves it.
MARKING = "profiles-marking"
_BEYOND = re.compile(rb"[\x80-\xff]+")
# A letter beyond ASCII beside one of it: words of other alphabets have no such.
_MIXED = re.compile(rb"[A-Za-z][\x80-\xff]+|[\x80-\xff]+[A-Za-z]")
_ALPHABETS = {"cp1251", "cp1253", "cp1255", "cp1256"}
_UNFIT = re.compile("[\ud800-\udfff\ufdd0]")
# The longer beginning stands first.
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_ZERO_SHARE = 0.1
# So many characters beyond ASCII fit UTF-8 for one that doesn't: by chance next to none would.
_MOSTLY = 9
# Those that charset-normalizer tells apart: by script. Which of the Latin ones it is shows in the letters.
_SCRIPTS = ["cp1252", "cp1251", "cp1253", "cp1255", "cp1256", "cp932", "gb18030", "big5", "cp949", "cp850", "mac_roman"]
# The letters of the languages that are written in them; where two fit as well, the first one is it.
_LATIN = {
    "cp1252": "äöüßéèêëàâáçñíìîïóòôœúùûæøåãõ",
    "cp1254": "çğıöşüâîûİ",
    "cp1250": "čćžšđąęłńóśźżáďéěíňřťúůýäĺľôŕöőüűâîß",
    "cp1257": "ąčęėįšųūžāēģīķļņõäöü",
}


def _mark(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return MARK, error.end


codecs.register_error(MARKING, _mark)


def mended(text: str) -> str:
    """Return a text that can be kept: what doesn't fit a charset, and half of a surrogate pair, becomes U+FFFD."""
    return text if text.isascii() else _UNFIT.sub("\ufffd", text)


def decoded(head: bytes, charset: str) -> str:
    """Return the beginning of a file as text; a character that is cut off at its end is left out."""
    return codecs.getincrementaldecoder(charset)(MARKING).decode(head)


def charset_of(head: bytes) -> tuple[str, bool]:
    """Return the charset of a file that begins so, as Python names it, and whether it is a guess.

    By its byte order mark, the zero bytes of UTF-16, UTF-8 where all of it fits or nearly all, else by the letters.
    """
    for bom, charset in _BOMS:
        if head.startswith(bom):
            return charset, False
    wide = _wide(head)
    if wide:
        return wide, False
    text = decoded(head, "utf-8")
    if text.isascii():
        return "utf-8", False
    strange = text.count(MARK)
    fitting = sum(char > "\x7f" for char in text) - strange
    if not strange or fitting > _MOSTLY * strange:
        return "utf-8", False
    return _guess(head), True


def _wide(head: bytes) -> str | None:
    """Tell UTF-16 by every other byte: in most texts of most languages many of them are zero."""
    high, low = head[::2].count(0), head[1::2].count(0)
    few = len(head) // 2 * _ZERO_SHARE
    if max(high, low) <= few or min(high, low) * 10 > max(high, low):
        return None
    wide = "utf-16-le" if low > high else "utf-16-be"
    # Read so, a text of single bytes with some zeros among them would be in Chinese, and hardly have a line.
    return wide if _breaks(decoded(head, wide).encode()) * 2 >= _breaks(head) else None


def _breaks(text: bytes) -> int:
    return text.count(b"\n") + text.count(b"\r")


def _guess(head: bytes) -> str:
    """Guess by the lines that are not ASCII: the others say nothing."""
    telling = [line for line in head.splitlines(keepends=True) if not line.isascii()]
    part = b"".join(telling)[:GUESS_BYTES]
    best = from_bytes(part, cp_isolation=_SCRIPTS).best()
    charset = "cp1252" if best is None else best.encoding
    words = len(_BEYOND.findall(part))
    if charset != "cp1252" and not (charset in _ALPHABETS and len(_MIXED.findall(part)) * 2 > words):
        return charset
    return max(_LATIN, key=lambda charset: _fitting(part, charset))


def _fitting(part: bytes, charset: str) -> float:
    text = part.decode(charset, MARKING)
    beyond = [char for char in text if char > "\x7f"]
    letters = {*_LATIN[charset], *_LATIN[charset].upper()}
    return sum(char in letters for char in beyond) / max(1, len(beyond))
