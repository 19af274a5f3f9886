"""Malformed inputs by chance: documents, variables, bodies, HTTP and websocket frames, each from a seeded generator."""

import gzip
import os
import re
import struct
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

import orjson
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLList,
    GraphQLNonNull,
    get_named_type,
    is_leaf_type,
)

from app.graph.schema import executable
from app.web import wire
from tests.system.floods import FLOODS


@dataclass(slots=True)
class Input:
    """What is sent: raw HTTP, or so many frames behind the handshake of a socket; `cut` where an end may be missing."""

    name: str
    data: bytes
    frames: int = 0
    cut: bool = False


SCHEMA = executable()
# Told as one text: a list of them is longer than all that is done with it.
WORDS = re.findall(
    r"\S+",
    'query mutation subscription fragment on { } ( ) [ ] : ! $ @ ... = | & "x" 1 -2 1.5e9 true null person persons id a'
    " createPerson nodes edges firstName timeline __typename __schema __type viewer input by first $a b PersonFilter ID"
    ' String Int @include @skip if #c \\ é \U0001f600 \ufeff \x00 \' ` ~ % < """',
)
ODD: list[Any] = [
    *(None, True, False, 0, -1, 1, 2**31, 2**53 + 1, 2**63, -(2**63), 2**64 - 1, 1.5, 1e308, "", "x", "\0", "a\nb"),
    *("<b>", "null", "\U0001f600" * 50, "é", "\u202e", "x" * 300, "x" * 5000, "1" * 400, "a@b.co", "+4366011111"),
    *("{}", "per_x", "2026-01-01T00:00:00Z", "9999-99-99", "0001-01-01", "$where", "a.b", "__proto__", "constructor"),
    *([], {}, [[]], [None]),
    *({"": 1}, {"$gt": ""}, {"a" * 500: {}}, ["x"] * 200, [{}] * 101, {"a": {"a": {"a": {"a": []}}}}),
]
NAMES = re.findall(
    r"\S+",
    "type anonymousId userId event properties traits timestamp originalTimestamp context messageId sentAt writeKey name"
    " groupId previousId attribute item email phone batch ttlSeconds identityToken campaign page",
)
HEADERS: list[tuple[bytes, list[bytes]]] = [
    (
        b"Content-Type",
        [b"application/json", b"text/plain", b"multipart/form-data", b"application/json; charset=x", b"\xff"],
    ),
    (b"Accept", [b"*/*", b"text/event-stream", b"text/html", b"application/json", b"x" * 3000, b",,,;q=", b"\xfe"]),
    (b"Origin", [b"null", b"http://[", b"https://evil.example", b"\xff", b"", b"http://x:99999999"]),
    (b"Content-Encoding", [b"gzip", b"br", b"gzip, gzip", b"\xff"]),
    (b"X-Request-Id", [b"a b", b"x" * 999, b"\xff\xff"]),
    (b"Expect", [b"100-continue", b"x"]),
    (b"Transfer-Encoding", [b"gzip", b"chunked, chunked", b"xchunked"]),
    (b"Content-Length", [b"-1", b"1e3", b"0x10", b"99999999999999999999", b"5, 5", b"+5"]),
    (b"Upgrade", [b"websocket", b"h2c"]),
    (b"Connection", [b"Upgrade", b"close", b"keep-alive, Upgrade"]),
    (b"Sec-Fetch-Site", [b"cross-site", b"\xff"]),
]
PATHS = [b"/graphql", b"/v1/batch", b"/v1/", b"/", b"/%00", b"/graphql/../v1/t", b"//", b"/graphiql/%2e%2e/%00"]
PATHS += [
    b"/v1/projects/",
    b"*",
    b"http://x/graphql",
    b"/graphql?query={a}",
    b"/v1/projects/%ff%00/settings",
    b"/livez",
    b"/" + b"a" * 4000,
]
WIRE = [b"/v1/" + kind for kind in b"batch b track t identify i group alias append forget".split()]


def junk(rng: Random, depth: int = 3) -> Any:
    """Give any JSON."""
    if depth == 0 or rng.random() < 0.5:
        return rng.choice(ODD)
    if rng.random() < 0.5:
        return [junk(rng, depth - 1) for _ in range(rng.randint(0, 4))]
    return {str(rng.choice([*NAMES, rng.choice(ODD)])): junk(rng, depth - 1) for _ in range(rng.randint(0, 5))}


def shaped(rng: Random, kind: Any, depth: int = 4) -> Any:
    """Give a value that nearly has a type of the schema."""
    if rng.random() < 0.12 or depth == 0:
        return junk(rng, 2)
    if isinstance(kind, GraphQLNonNull):
        return shaped(rng, kind.of_type, depth)
    if isinstance(kind, GraphQLList):
        return [shaped(rng, kind.of_type, depth - 1) for _ in range(rng.randint(0, 3))]
    if isinstance(kind, GraphQLInputObjectType):
        names = rng.sample(sorted(kind.fields), min(len(kind.fields), rng.randint(0, 4)))
        return {name: shaped(rng, kind.fields[name].type, depth - 1) for name in names}
    return rng.choice(list(kind.values)) if isinstance(kind, GraphQLEnumType) else rng.choice(ODD)


def typed(rng: Random) -> dict[str, Any]:
    """Give a valid operation of one root field, with values that nearly fit."""
    root = rng.choice([SCHEMA.query_type, SCHEMA.mutation_type])
    assert root is not None
    name, field = rng.choice(sorted(root.fields.items()))
    heads = ", ".join(f"${arg}: {one.type}" for arg, one in field.args.items())
    args = ", ".join(f"{arg}: ${arg}" for arg in field.args)
    inner = "" if is_leaf_type(get_named_type(field.type)) else " { __typename }"
    head, call = (f"({heads})", f"({args})") if heads else ("", "")
    kind = "query" if root is SCHEMA.query_type else "mutation"
    values = {arg: shaped(rng, one.type) for arg, one in field.args.items() if rng.random() < 0.95}
    return {"query": f"{kind} q{head} {{ {name}{call}{inner} }}", "variables": values}


def soup(rng: Random) -> dict[str, Any]:
    """Give words of the language in no order, or in that of an operation that ends early."""
    if rng.random() < 0.3:
        text = typed(rng)["query"]
        return {"query": text[: rng.randint(0, len(text))]}
    return {"query": " ".join(rng.choices(WORDS, k=rng.randint(0, 60)))}


def flood(rng: Random) -> dict[str, Any]:
    """Give a document that repeats something, as often as it may and more often."""
    build, most = rng.choice(FLOODS)
    text = build(rng.choice([most, rng.randint(1, most)]))
    return {"query": text, "variables": {"a": junk(rng)}, "operationName": rng.choice([None, "q0", "", "x" * 999])}


def crowd(rng: Random) -> dict[str, Any]:
    """Give variables with very much of something."""
    number = rng.choice([101, 1001, 5001, 6000, 6001, 60_000])
    item: Any = rng.choice([1, "x", [], {}, None, {"firstName": {"eq": "x"}}, {"email": "a@b.co"}, {"x": 1}, "\0"])
    query, inside = rng.choice(
        [
            ("query($v: [ID!]!) { nodes(ids: $v) { id } }", [item] * number),
            ("query($v: PersonFilter) { persons(filter: $v) { totalCount } }", {"and": [item] * number}),
            ("query($v: PersonFilter) { persons(filter: $v) { totalCount } }", {str(i): item for i in range(number)}),
            ("mutation($v: [EventInput!]!) { trackEvents(events: $v) { errors { code } } }", [item] * number),
            ("mutation($v: [CreatePersonInput!]!) { upsertPersons(persons: $v) { errors { code } } }", [item] * number),
            ("query($v: Int) { persons(first: $v) { totalCount } }", [item] * number),
        ]
    )
    return {"query": query, "variables": {"v": inside}}


def envelope(rng: Random) -> Any:
    """Give what is nearly a request: a batch, a field of another kind, nothing."""
    given: dict[str, Any] = {"query": "{ __typename }", "variables": {}, "operationName": None, "extensions": {}}
    given[rng.choice(list(given))] = rng.choice(ODD)
    return rng.choice([given, [given], [given] * 50, junk(rng), given["query"]])


def broken(rng: Random) -> bytes:
    """Give bytes that are nearly JSON, or nothing like it."""
    number = rng.choice([10, 1000, 1025, 50_000])
    builds: list[Callable[[], bytes]] = [
        lambda: rng.randbytes(rng.randint(0, 300)),
        lambda: b"[" * number,
        lambda: b'{"a":' * number,
        lambda: b'{"query": "{ __typename }", "variables": ' + b"[" * number + b"]" * number + b"}",
        lambda: b'{"query": "\\ud83d' + b"\\n\\ud83d\\\\" * number + b'"}',
        lambda: b'{"query": "{ __typename }", "variables": {"a": ' + b"9" * number + b"}}",
        lambda: b'{"query": "{ __typename }", "variables": {"a": NaN, "b": Infinity, "c": 1e99999}}',
        lambda: b"\xef\xbb\xbf{}",
        lambda: b"\xff\xfe{\x00}\x00",
        lambda: b"\x00" * number,
        lambda: b'{"a": "' + b"\xed\xa0\x80" * 9 + b'"}',
    ]
    return rng.choice(builds)()


BODIES: list[tuple[int, Callable[[Random], Any]]] = [
    (6, typed),
    (3, soup),
    (4, flood),
    (3, envelope),
    (3, broken),
    (1, crowd),
]


def body(rng: Random) -> bytes:
    """Give the body of a request, now and then with some of its bytes changed or missing."""
    (build,) = rng.choices([one for _, one in BODIES], [weight for weight, _ in BODIES])
    made = build(rng)
    text: bytes = made if isinstance(made, bytes) else orjson.dumps(made)
    return damaged(rng, text) if rng.random() < 0.1 else text


def damaged(rng: Random, text: bytes) -> bytes:
    """Give the bytes with some of them changed, or an end."""
    if not text or rng.random() < 0.4:
        return text[: rng.randint(0, len(text))]
    changed = bytearray(text)
    for _ in range(rng.randint(1, 5)):
        changed[rng.randrange(len(changed))] = rng.randrange(256)
    return bytes(changed)


def request(path: bytes, content: bytes, *headers: bytes, method: bytes = b"POST") -> bytes:
    """Give a request of HTTP."""
    head = [method + b" " + path + b" HTTP/1.1", b"Host: x", *headers, b"Content-Length: %d" % len(content), b"", b""]
    return b"\r\n".join(head) + content


def graphql(rng: Random, key: str) -> Input:
    """Give a request whose body is wrong."""
    content = body(rng)
    more = [b"Content-Type: application/json", b"Authorization: Bearer " + key.encode()]
    accept = rng.choice([b"Accept: */*", b"Accept: application/json", b"Accept: text/event-stream"])
    return Input("graphql", request(b"/graphql", content, *more, accept))


def message(rng: Random) -> Any:
    """Give what is nearly a message of the wire."""
    kind = rng.choice([*wire.KINDS, "nope"])
    given: dict[str, Any] = {"type": kind, "anonymousId": rng.choice("abcde"), "event": "nope"}
    for _ in range(rng.randint(0, 4)):
        given[rng.choice(NAMES)] = junk(rng, 2)
    if given["type"] in ("page", "screen"):
        given["anonymousId"] = rng.choice(["", None, [], "x" * 200, "a\nb"])
    return given if rng.random() < 0.9 else rng.choice(ODD)


def wired(rng: Random, key: str) -> Input:
    """Give a request of the wire that is wrong somewhere, or all over."""
    path = rng.choice(WIRE)
    given: Any = message(rng)
    if path in WIRE[:2]:
        given = {"batch": [message(rng) for _ in range(rng.choice([0, 1, 5, 501]))]}
    if isinstance(given, dict) and rng.random() < 0.8:
        given["writeKey"] = key
    content = broken(rng) if rng.random() < 0.2 else orjson.dumps(given)
    content = damaged(rng, content) if rng.random() < 0.1 else content
    headers = [b"Content-Type: " + rng.choice([b"text/plain", b"application/json", b"text/html"])]
    if rng.random() < 0.2:
        content = gzip.compress(content, 1) if rng.random() < 0.7 else content
        headers.append(b"Content-Encoding: gzip")
    if rng.random() < 0.3:
        named = [b"Bearer " + key.encode(), b"Basic !", b"Basic " + b"A" * 999, b"\xff"]
        headers.append(b"Authorization: " + rng.choice(named))
    return Input("wire", request(path, content, *headers))


def http(rng: Random, key: str) -> Input:
    """Give a request whose head is wrong: methods, paths, headers, lengths, ends."""
    method = rng.choice([b"GET", b"POST", b"PUT", b"OPTIONS", b"HEAD", b"TRACE", b"CONNECT", b"get", b"X" * 50, b""])
    named = rng.sample(HEADERS, rng.randint(0, 4))
    headers = [name + b": " + rng.choice(values) for name, values in named]
    headers += [
        b"Authorization: Bearer " + rng.choice([key.encode(), b"wrong", b"cp_live_x_y", b"\xff\x80", b"x" * 5000])
    ]
    if rng.random() < 0.05:
        headers += [b"x-%d: y" % number for number in range(rng.choice([200, 5000, 20_000]))]
    raw = request(rng.choice(PATHS), body(rng)[:2000], *headers, method=method)
    raw = damaged(rng, raw) if rng.random() < 0.3 else raw
    return Input("http", raw, cut=True)


def chunked(rng: Random, key: str) -> Input:
    """Give a body in pieces that lie about their sizes, or end early."""
    pieces = b"".join(b"%x\r\n%s\r\n" % (rng.choice([1, 5, 9999]), rng.randbytes(5)) for _ in range(rng.randint(0, 5)))
    head = [b"POST " + rng.choice([b"/graphql", b"/v1/t"]) + b" HTTP/1.1", b"Host: x", b"Transfer-Encoding: chunked"]
    head += [b"Content-Type: application/json", b"Authorization: Bearer " + key.encode(), b"", b""]
    return Input("chunked", b"\r\n".join(head) + pieces + rng.choice([b"", b"0\r\n\r\n", b"0\r\n", b"zz"]), cut=True)


def frame(payload: bytes, opcode: int = 1, *, final: bool = True, masked: bool = True) -> bytes:
    """Give a frame of a websocket, as a client writes it."""
    size = len(payload)
    length = bytes([size]) if size < 126 else b"\x7e" + struct.pack(">H", size) if size < 65_536 else b""
    length = length or b"\x7f" + struct.pack(">Q", size)
    head = bytes([opcode | (0x80 if final else 0), length[0] | (0x80 if masked else 0)]) + length[1:]
    # A mask of zeros is one.
    return head + (bytes(4) if masked else b"") + payload


def socket_message(rng: Random) -> bytes:
    """Give what is nearly a message of graphql-transport-ws."""
    kind = rng.choice(["subscribe"] * 6 + ["complete", "ping", "pong", "connection_init", "nope", 7, None])
    (build,) = rng.choices([typed, soup, flood, envelope], [4, 2, 3, 2])
    given: dict[str, Any] = {"id": rng.choice(["1", "2", "", 7, None, "x" * 3000]), "type": kind, "payload": build(rng)}
    if rng.random() < 0.2:
        given[rng.choice(["id", "type", "payload"])] = rng.choice(ODD)
    text = orjson.dumps(given)[:70_000]
    return damaged(rng, text) if rng.random() < 0.1 else broken(rng)[:70_000] if rng.random() < 0.1 else text


def socket_frames(rng: Random, key: str) -> Input:
    """Give what a client says on a websocket, from its introduction on."""
    hello = {"type": "connection_init", "payload": {"apiKey": key}}
    frames, cut = [frame(orjson.dumps(hello if rng.random() < 0.9 else junk(rng)))], False
    for _ in range(rng.randint(1, 4)):
        text = socket_message(rng)
        shape = rng.random()
        cut = cut or shape >= 0.85
        if shape < 0.85:
            frames.append(frame(text))
        elif shape < 0.9:
            frames.append(frame(text[:120], rng.choice([0, 2, 3, 8, 9, 10, 15]), final=rng.random() < 0.5))
        elif shape < 0.95:
            frames.append(frame(text, masked=False))
        else:
            frames.append(rng.randbytes(rng.randint(1, 40)))
    return Input("websocket", b"".join(frames), frames=len(frames), cut=cut)


Build = Callable[[Random, str], Input]
KINDS: list[tuple[int, Build]] = [(8, graphql), (4, wired), (2, http), (1, chunked), (4, socket_frames)]


def malformed(rng: Random, key: str, web_key: str) -> Input:
    """Give the next input."""
    (build,) = rng.choices([one for _, one in KINDS], [weight for weight, _ in KINDS])
    return build(rng, web_key if build is wired else key)


def seed() -> int:
    """Return the seed of this run: that of the environment, or a new one."""
    given = os.environ.get("PROFILES_TEST_SEED")
    return int(given) if given else int.from_bytes(os.urandom(4))
