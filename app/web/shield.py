"""What answers tell browsers not to do with them: constant headers, written once."""

Header = tuple[bytes, bytes]

# Of every answer that leaves this process, also of those that no code of ours makes: the server writes them.
EVERYWHERE = [("x-content-type-options", "nosniff"), ("referrer-policy", "no-referrer")]
# An answer is data: opened as a page it does nothing, and no page of another origin embeds it.
_INERT: Header = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")
_OURS: Header = (b"cross-origin-resource-policy", b"same-origin")
_ANYBODYS: Header = (b"cross-origin-resource-policy", b"cross-origin")
DATA: list[Header] = [_INERT, _OURS]
# Beacons of other origins ask without CORS: what the wire answers is no secret, and must not look like a failure.
WIRE: list[Header] = [_INERT, _ANYBODYS]
# GraphiQL's page and its scripts, from this origin alone. Its editor makes styles, its workers come as modules.
_PAGE = (
    b"default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; font-src 'self' data:; img-src 'self'"
    b" data:; connect-src 'self'; worker-src 'self' blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
PAGE: list[Header] = [
    (b"content-security-policy", _PAGE),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
    (b"x-frame-options", b"DENY"),
    _OURS,
]
