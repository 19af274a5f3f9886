"""The protocol read: tables of what each field means, and that nothing that anybody sends raises anything."""

from datetime import timedelta
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.catalog.model import EventDefinition
from app.claims.model import Locator
from app.core.errors import Fault, Refused
from app.intake.visit import Verdict
from app.persons.wish import check
from app.web import wire
from app.web.titles import Titles
from app.web.unpacked import parsed, unpacked
from app.web.wire import Setting
from tests.web.said import KNOWN, NOW, SENT, SETTING, catalog, one, read


def code(item: Any) -> str:
    """Return why the one item is refused."""
    said = read(item)
    assert said.messages == []
    return said.rejected[0]


# ---------------------------------------------------------------- what every message has

IDS: list[tuple[Any, str | None]] = [
    ("m-1_A", "m-1_A"),
    ("x" * 64, "x" * 64),
    (17, "17"),
    ("", None),
    (None, None),
    ({}, None),
    (True, None),
    ("node-next-1700000000000-ab.cd", "f4" * 16),
    ("x" * 65, "f4" * 16),
    ("é", "f4" * 16),
]


@pytest.mark.parametrize(("given_", "wanted"), IDS)
def test_a_message_id_is_the_events_id_or_its_digest(given_: Any, wanted: str | None) -> None:
    """R19: where it fits it stays; else 32 digits that are the same each time."""
    found = one(type="forget", messageId=given_).message_id
    if wanted is None or len(wanted) != 32 or wanted == given_:
        assert found == wanted
    else:
        assert found is not None
        assert (len(found), found) == (32, one(type="forget", messageId=given_).message_id)
        assert found != one(type="forget", messageId=f"{given_}."[-100:]).message_id


TIMES: list[tuple[Any, Any, timedelta]] = [
    ("2026-05-04T11:59:54.000Z", SENT, timedelta(seconds=6)),
    ("2026-05-04T13:59:54+02:00", SENT, timedelta(seconds=6)),
    ("2026-05-04T11:00:00Z", "2026-05-04T11:00:30Z", timedelta(seconds=30)),
    ("2026-05-04T12:00:05.000Z", SENT, timedelta()),
    ("2099-01-01T00:00:00.000Z", SENT, timedelta()),
    (None, SENT, timedelta()),
    ("2026-05-04T11:59:54.000Z", None, timedelta()),
    ("yesterday", SENT, timedelta()),
    ("2026-99-04T11:59:54.000Z", SENT, timedelta()),
    (1_770_000_000_000, SENT, timedelta()),
    ("2026-04-04T12:00:00.000Z", SENT, timedelta(days=30)),
    ("0001-01-01T00:00:00.000Z", "9999-12-31T23:59:59.999Z", timedelta(days=30, milliseconds=1)),
]


@pytest.mark.parametrize(("stamp", "sent", "ago"), TIMES)
def test_a_message_happened_as_long_ago_as_its_sender_says(stamp: Any, sent: Any, ago: timedelta) -> None:
    """Received - (sentAt - timestamp): a wrong clock of the sender doesn't matter; never in the future."""
    setting = Setting(NOW, wire.moment(sent), KNOWN, SETTING.definition)
    said = read({"type": "forget", "anonymousId": "a", "timestamp": stamp}, setting=setting)
    assert said.messages[0].occurred_at == NOW - ago
    said = read({"type": "forget", "anonymousId": "a", "originalTimestamp": stamp}, setting=setting)
    assert said.messages[0].occurred_at == NOW - ago


def test_an_event_older_than_a_month_is_refused_and_anything_else_counts_as_a_month_old() -> None:
    """TOO_OLD, by the server's clock."""
    old = {"timestamp": "2026-04-04T11:59:59.999Z", "anonymousId": "a", "event": "productViewed"}
    assert code({"type": "track", **old}) == "TOO_OLD"
    assert code({"type": "page", **old}) == "TOO_OLD"
    assert one(type="identify", traits={"email": "a@b.co"}, **old).occurred_at is not None


BAD: list[tuple[Any, str]] = [
    (None, "INVALID"),
    ([], "INVALID"),
    ("text", "INVALID"),
    ({}, "REQUIRED"),
    ({"type": "", "anonymousId": "a"}, "REQUIRED"),
    ({"type": "delete", "anonymousId": "a"}, "INVALID"),
    ({"type": ["track"], "anonymousId": "a"}, "REQUIRED"),
    ({"type": "forget"}, "REQUIRED"),
    ({"type": "forget", "anonymousId": ""}, "REQUIRED"),
    ({"type": "forget", "anonymousId": {}}, "REQUIRED"),
    ({"type": "forget", "anonymousId": "x" * 129}, "TOO_LONG"),
    ({"type": "forget", "anonymousId": "a\nb"}, "INVALID"),
    ({"type": "forget", "userId": "null"}, "INVALID"),
    ({"type": "forget", "userId": "x" * 257}, "INVALID"),
    ({"type": "forget", "anonymousId": "a", "messageId": "x" * 101}, "TOO_LONG"),
    ({"type": "track", "anonymousId": "a"}, "REQUIRED"),
    ({"type": "track", "anonymousId": "a", "event": 7}, "INVALID"),
    ({"type": "track", "anonymousId": "a", "event": "pageView"}, "STANDARD_EVENT"),
    ({"type": "track", "anonymousId": "a", "event": "page VIEW"}, "STANDARD_EVENT"),
    ({"type": "track", "anonymousId": "a", "event": "productViewed", "properties": []}, "INVALID"),
    ({"type": "track", "anonymousId": "a", "event": "productViewed", "properties": {"x": "y" * 32_768}}, "TOO_LONG"),
    ({"type": "identify", "anonymousId": "a", "traits": []}, "INVALID"),
    ({"type": "identify", "anonymousId": "a", "traits": {"email": "nobody"}}, "INVALID"),
    ({"type": "identify", "anonymousId": "a", "userId": "undefined", "traits": {"phone": "1"}}, "INVALID"),
    ({"type": "append", "anonymousId": "a"}, "REQUIRED"),
    ({"type": "append", "anonymousId": "a", "attribute": "wishlist"}, "REQUIRED"),
    ({"type": "append", "anonymousId": "a", "attribute": "wishlist", "item": []}, "INVALID"),
    ({"type": "append", "anonymousId": "a", "attribute": 1, "item": {}}, "INVALID"),
    ({"type": "append", "anonymousId": "a", "attribute": "nope", "item": {}}, "UNKNOWN_PROPERTY"),
    ({"type": "append", "anonymousId": "a", "attribute": "plan", "item": {}}, "INVALID"),
    ({"type": "append", "anonymousId": "a", "attribute": "wishlist", "item": {"colour": "red"}}, "UNKNOWN_PROPERTY"),
    ({"type": "append", "anonymousId": "a", "attribute": "wishlist", "item": {"sku": 1}}, "INVALID"),
    ({"type": "append", "anonymousId": "a", "attribute": "wishlist", "item": {"sku": "x" * 4097}}, "TOO_LONG"),
    ({"type": "append", "anonymousId": "a", "attribute": "wishlist", "item": {"__id": {}}}, "INVALID"),
    ({"type": "group", "anonymousId": "a"}, "REQUIRED"),
    ({"type": "group", "anonymousId": "a", "traits": {"name": {}}}, "REQUIRED"),
    ({"type": "alias", "anonymousId": "a", "previousId": "b"}, "REQUIRED"),
    ({"type": "alias", "anonymousId": "a", "userId": "b"}, "REQUIRED"),
    ({"type": "alias", "userId": "b", "previousId": "x" * 129}, "TOO_LONG"),
    ({"type": "alias", "userId": "b", "previousId": "a\tb"}, "INVALID"),
]


@pytest.mark.parametrize(("item", "wanted"), BAD, ids=lambda value: str(value)[:60])
def test_what_is_wrong_with_a_message_refuses_it_alone(item: Any, wanted: str) -> None:
    """Its neighbours are taken, and the refusal says which one it was."""
    good = {"type": "forget", "anonymousId": "good"}
    said = read(good, item, good)
    assert (said.rejected, said.owners, len(said.messages)) == ({1: wanted}, [0, 2], 2)


# ---------------------------------------------------------------- what each kind says


def test_an_event_is_named_by_its_id_or_its_title() -> None:
    """So that existing tagging works; an unknown name stays as it is, for a definition may be new."""
    for name in ("productViewed", "Product Viewed", "PRODUCT VIEWED", " prodúct viewed "):
        found = one(type="track", event=name, properties={"sku": "A1"})
        assert (found.kind, found.type, found.properties) == ("track", "productViewed", {"sku": "A1"})
    assert one(type="track", event="Nope", properties=None).type == "Nope"
    assert one(type="track", event="productViewed").properties == {}


def test_titles_follow_the_definitions() -> None:
    """A definition that is added or changed is found by its title at once."""
    known, titles = catalog(), Titles()
    find = titles.of(known)
    assert find("order placed") is None
    known.add(EventDefinition("orderPlaced", "Order Placed", NOW))
    assert find("order placed") == "orderPlaced"
    known.add(EventDefinition("orderPlaced", "Bought", NOW))
    assert (find("order placed"), find("bought")) == (None, "orderPlaced")


PROOFS: list[tuple[dict[str, Any], int | None, str | None]] = [
    ({}, None, None),
    ({"ttlSeconds": 2, "identityToken": "eyJ"}, 2, "eyJ"),
    ({"ttlSeconds": 0}, 1, None),
    ({"ttlSeconds": 10**9}, 86_400, None),
    ({"ttlSeconds": "60", "identityToken": 7}, None, None),
    ({"ttlSeconds": True}, None, None),
]


@pytest.mark.parametrize(("context", "seconds", "token"), PROOFS)
def test_the_context_says_for_how_long_and_proves_it(
    context: dict[str, Any], seconds: int | None, token: str | None
) -> None:
    """1 to 86,400 seconds; what is beyond is as much as can be, what is no number is nothing."""
    found = one(type="identify", userId="u", context=context)
    assert (found.ttl_seconds, found.identity_token) == (seconds, token)


def test_a_message_with_a_user_id_says_first_who_it_is_once_for_a_batch() -> None:
    """As server libraries send it; an event of the same id is the same event, however often it comes."""
    event = {"type": "track", "event": "productViewed", "messageId": "m"}
    said = read({**event, "userId": "u"}, {**event, "userId": "u"}, {**event, "userId": "v", "anonymousId": "a"})
    assert [(one.kind, one.identity[:1]) for one in said.messages] == [
        ("identify", (Locator("externalId", "u"),)),
        ("track", ()),
        ("track", ()),
        ("identify", (Locator("externalId", "v"),)),
        ("track", ()),
    ]
    assert said.owners == [0, 0, 1, 2, 2]
    assert len({one.anonymous_id for one in said.messages[:3]}) == 1
    assert said.messages[0].anonymous_id != "u"
    assert said.messages[0].message_id not in (None, "m")
    assert said == read(
        {**event, "userId": "u"}, {**event, "userId": "u"}, {**event, "userId": "v", "anonymousId": "a"}
    )


def test_who_was_forgotten_in_a_batch_is_said_again() -> None:
    """The message behind it names the user, so it is the user's."""
    event = {"type": "track", "event": "productViewed", "anonymousId": "a", "userId": "u"}
    said = read(event, event, {"type": "forget", "anonymousId": "a"}, event)
    assert [one.kind for one in said.messages] == ["identify", "track", "track", "forget", "identify", "track"]


def test_a_user_id_that_is_none_does_not_lose_the_event() -> None:
    """Where there is an anonymousId."""
    assert one(type="track", event="productViewed", userId="undefined").kind == "track"


def test_the_other_kinds() -> None:
    """Append, forget, group, alias."""
    found = one(type="append", attribute="Wishlist", item={"sku": "A1"})
    assert (found.kind, found.attribute, found.item) == ("append", "wishlist", {"sku": "A1"})
    assert one(type="forget").kind == "forget"
    group = one(type="group", groupId=5, traits={"name": "Acme"})
    assert (group.kind, group.group_id, group.group_name) == ("group", "5", "Acme")
    alias = one(type="alias", userId="new", previousId="old", anonymousId="whatever")
    assert (alias.kind, alias.anonymous_id, alias.previous_id) == ("alias", "new", "old")
    assert alias.identity == (Locator("externalId", "new"),)
    person = one(type="alias", userId="x" * 200, previousId="old")
    assert (person.kind, person.anonymous_id, person.identity) == (
        "identify",
        "old",
        (Locator("externalId", "x" * 200),),
    )


def test_the_path_says_the_kind_of_its_one_message() -> None:
    """Whatever the body says."""
    said = read({"type": "track", "anonymousId": "a"}, kind="forget")
    assert said.messages[0].kind == "forget"


def test_only_what_can_not_touch_a_profile_is_plain_and_told_of() -> None:
    """Else the time of an answer, or a refusal, would tell of the person."""
    plain = [{"type": kind, "anonymousId": "a", "event": "productViewed"} for kind in ("track", "page", "screen")]
    assert read(*plain).plain
    for item in (
        {"type": "identify"},
        {"type": "forget"},
        {"type": "group", "groupId": "g"},
        {**plain[0], "userId": "u"},
    ):
        assert not read({"anonymousId": "a", **item}).plain
    refused = Verdict(accepted=False, refused=(Refused("UNKNOWN_PROPERTY", "x"),))
    assert wire.told(one(type="track", event="productViewed"), refused) == "UNKNOWN_PROPERTY"
    assert wire.told(one(type="identify", userId="u"), refused) is None
    restricted = Verdict(accepted=False, refused=(Refused("WEB_SDK_RESTRICTED", "x"),))
    assert wire.told(one(type="track", event="productViewed"), restricted) is None


# ---------------------------------------------------------------- bodies


def test_half_an_emoji_does_not_lose_a_request() -> None:
    """A title that a page cut in the middle of a character comes as a lone surrogate."""
    whole = {"a": "😀\\ud800\\", "b": 'q"\n'}
    assert parsed(orjson.dumps(whole)) == whole
    assert parsed(rb'{"t": "x\ud83d", "u": "\ude00y\\ud83d \ud83d\ude00"}') == {"t": "x�", "u": "�y\\ud83d 😀"}
    for bad in (b"", b"{", b'{"a": "\\ud83d"', b"NaN", b"\xff", b"[" * 5000, b'"\\ud83d\\q"'):
        with pytest.raises(Fault, match="not JSON"):
            parsed(bad)


@given(st.binary(max_size=200), st.sampled_from([b"gzip", b"br", b"deflate", b"x"]))
def test_junk_is_no_packed_body(body: bytes, encoding: bytes) -> None:
    """400, or 413 before it fills the memory."""
    with pytest.raises(Fault) as caught:
        unpacked(body, encoding, 1000)
    assert caught.value.status in (400, 413)


# ---------------------------------------------------------------- anything at all

SCALAR = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text(max_size=8) | st.just(0.5)
FIELDS = "messageId anonymousId userId event properties traits timestamp context name url email phone firstName"
FIELDS += " contactInformation customAttributes address plan seats wishlist item attribute previousId groupId"
FIELDS += " ttlSeconds campaign page sku externalId gender birthday"
NAMES = st.sampled_from(FIELDS.split())
KINDS = st.sampled_from([*wire.KINDS, "nope"])
INNER = SCALAR | st.lists(SCALAR, max_size=2) | st.dictionaries(NAMES, SCALAR, max_size=4)
JSON = INNER | st.dictionaries(NAMES, INNER, max_size=4)
ITEM = st.builds(lambda kind, more: {"anonymousId": "a", **more, "type": kind}, KINDS, st.dictionaries(NAMES, JSON))


@given(st.lists(ITEM | JSON, max_size=3), KINDS | st.none())
def test_nothing_raises_and_every_item_is_read_or_refused(items: list[Any], kind: str | None) -> None:
    """Whatever comes: each item has its messages or its refusal, and every wish passes the checks of persons."""
    said = read(*items, kind=kind)
    assert set(said.owners) | set(said.rejected) == set(range(len(items)))
    assert not set(said.owners) & set(said.rejected)
    assert set(said.rejected.values()) <= set(wire.CODES.values())
    for message in said.messages:
        assert 1 <= len(message.anonymous_id) <= 128
        assert message.occurred_at is not None
        assert message.occurred_at <= NOW
        assert message.message_id is None or len(message.message_id) <= 64
        if message.traits is not None:
            check(message.traits, KNOWN)
