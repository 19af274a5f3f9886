"""What the service asks, as a real MongoDB answered it: by its profiler, so no query is copied here.

Another account holds ten times as many profiles with the same words and values. Nothing is scanned, nobody else's
documents are looked at, and a page sorts no more than what a filter finds.
"""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from app.catalog import lists
from app.catalog.lists import By
from app.catalog.model import AttributeDefinition, Catalog
from app.catalog.narrow import BY_ID, BY_VALUE
from app.catalog.sweeps import COLLECTION as SWEEPS
from app.catalog.sweeps import COMPANIES_AT_ONCE, MEMBERS, later, sayable
from app.claims.model import Locator
from app.companies import store as company_store
from app.companies.model import Company
from app.core import clock, ids
from app.core.pages import Slice
from app.identity.dismissals import BY_PERSON, Dismissals
from app.mongo.engine import Sort
from app.mongo.server import Server
from app.persons import record, store
from app.persons.model import EmailContact, Membership, Person, PhoneContact
from app.persons.sharing import Sharing
from app.timeline import store as events
from app.timeline.model import Event
from app.timeline.service import EVERYTHING
from tests.mongo.profiled import LIMIT, OURS, Profiled, watched
from tests.mongo.real import RealMongo

THEIRS = "acc_theirs"
PERSONS = {OURS: 300, THEIRS: 3000}
NARROW = 30
PAGE = LIMIT + 1
# Every second person carries the common tag, so a page of them takes about twice its keys, and never three times.
HALF = 3 * PAGE


def keys_of(index: Sort) -> str:
    """Return how the profiler names an index; that of attributes by the path of one, which is shortened here."""
    return "{ $_path: 1, a." if index == BY_VALUE else f"{{ {', '.join(f'{name}: {way}' for name, way in index)} }}"


@pytest.fixture(scope="module")
async def profiled(mongo: RealMongo) -> AsyncIterator[Profiled]:
    """Give the services on a real MongoDB with both accounts."""
    async with watched(mongo, "test_explain") as one:
        for account in PERSONS:
            await filled(one, one.server, account)
        yield one


async def filled(one: Profiled, server: Server, account: str) -> None:
    """Fill an account; of ours the company and the tag of companies are noted."""
    catalog, now = one.home.catalog, clock.now()
    tags = [(await catalog.create_tag(account, name)).id for name in ("common", "rare", "emblem")]
    kinds = {"age": "INTEGER", "plan": "STRING"}
    for name, type_ in kinds.items():
        await catalog.define_attribute(account, AttributeDefinition(ids.new("att"), "PERSON", name, type_, now))
    known = await catalog.fresh(account)
    attributes = [known.attributes_by_name["PERSON", name].id for name in kinds]
    made = [
        Company(ids.new("com"), account, known, f"Acme {i}", [f"s{account}{i}"], now, now, "API", "API")
        for i in range(50)
    ]
    made[0].tag_ids = [tags[2]]
    await server.insert("companies", [kept for kept in map(company_store.document, made) if kept])
    people = [person(account, known, at, (tags, attributes, made[0].id)) for at in range(PERSONS[account])]
    await server.insert("persons", [record.document(each) for each in people])
    await one.home.timeline.record([event(each, at) for at, each in enumerate(people)])
    if account == OURS:
        one.company = made[0].id


def person(account: str, catalog: Catalog, at: int, given: tuple[list[str], list[str], str]) -> Person:
    """Make one: every second is common, the first three rare, the fourth to the eighth are of the company."""
    (common, rare, _), (age, level), company = given
    then = clock.now() - timedelta(days=400) + timedelta(minutes=at)
    one = Person(ids.new("per"), account, "CUSTOMER", catalog, then, then, "API", "API", [f"{account}-{at}"])
    one.external_id, one.first_name, one.last_name = f"crm-{at}", "Ann", f"Name{at % 7}"
    one.emails, one.phones = [EmailContact(f"ann.{at}@example.com")], [PhoneContact(f"4366000{at:05d}")]
    one.tag_ids = [tag for tag, has in ((common, at % 2), (rare, at < 3)) if has]
    one.memberships = [Membership(company)] if 3 <= at < 8 else []
    one.values = {age: at, level: "Gold" if at else "Platinum"}
    return one


def event(of: Person, at: int) -> Event:
    """Make an event of a person."""
    return Event(
        f"{of.subjects[0]}:{at}", of.account, of.subjects[0], "personCreated", of.created_at, of.created_at, "API"
    )


def attribute(name: str, **how: Any) -> dict[str, Any]:
    """Write a filter on an attribute."""
    return {"customAttribute": {"name": name, **how}}


COMMON, RARE = {"tags": {"has": "common"}}, {"tags": {"has": "rare"}}
COMPANY = {"companyId": "the company"}
# filter, search, order: the index that the page rides, the most keys that it may look at, whether it is sorted.
Case = tuple[dict[str, Any] | None, str | None, str, Sort, int, bool]
CASES: list[Case] = [
    (None, None, "CREATED_AT", store.BY_CREATION, PAGE, False),
    (None, None, "UPDATED_AT", store.BY_UPDATE, PAGE, False),
    (None, None, "FIRST_NAME", store.BY_FIRST_NAME, PAGE, False),
    (None, None, "LAST_NAME", store.BY_LAST_NAME, PAGE, False),
    (COMMON, None, "CREATED_AT", store.BY_TAG, PAGE, False),
    (COMMON, None, "UPDATED_AT", store.BY_UPDATE, HALF, False),
    (COMMON, None, "LAST_NAME", store.BY_LAST_NAME, HALF, False),
    (RARE, None, "CREATED_AT", store.BY_TAG, 3, False),
    (RARE, None, "FIRST_NAME", store.BY_TAG, 3, True),
    ({"tags": {"hasAny": ["rare", "nobody"]}}, None, "UPDATED_AT", store.BY_TAG, 3, True),
    ({"tags": {"hasAll": ["common", "rare"]}}, None, "CREATED_AT", store.BY_TAG, 3, False),
    ({"tags": {"hasAll": ["common", "rare"]}}, None, "LAST_NAME", store.BY_TAG, 3, True),
    (COMPANY, None, "LAST_NAME", store.BY_COMPANY, 5, True),
    ({**COMMON, **COMPANY}, None, "CREATED_AT", store.BY_COMPANY, 5, True),
    (None, "ann.12@", "CREATED_AT", store.BY_WORD, 20, True),
    (None, "436600000012", "UPDATED_AT", store.BY_WORD, 2, True),
    (None, "ann", "CREATED_AT", store.BY_CREATION, PAGE, False),
    (None, "ann 436600000012", "CREATED_AT", store.BY_WORD, 2, True),
    ({"email": {"eq": " Ann.7@example.com"}}, None, "CREATED_AT", store.BY_WORD, 1, True),
    ({"phone": {"eq": "+43 66000 00007"}}, None, "LAST_NAME", store.BY_WORD, 1, True),
    ({"externalId": {"in": ["crm-7", "crm-8"]}}, None, "CREATED_AT", store.BY_WORD, 3, True),
    (attribute("age", number={"eq": 7}), None, "CREATED_AT", BY_VALUE, 1, True),
    (attribute("age", number={"gte": 7, "lt": 9}), None, "LAST_NAME", BY_VALUE, 3, True),
    (attribute("age", number={"gte": 7}), None, "CREATED_AT", store.BY_CREATION, PAGE, False),
    (attribute("plan", string={"eq": "PLATINUM"}), None, "UPDATED_AT", store.BY_WORD, 1, True),
    (attribute("plan", string={"eq": "gold"}), None, "UPDATED_AT", store.BY_UPDATE, PAGE, False),
    (attribute("plan", string={"contains": "at"}), None, "CREATED_AT", store.BY_CREATION, PERSONS[OURS], False),
    ({"city": {"eq": "Wien"}}, None, "FIRST_NAME", store.BY_FIRST_NAME, PERSONS[OURS], False),
    (None, None, "CUSTOM_ATTRIBUTE", store.BY_CREATION, PERSONS[OURS], True),
    (COMMON, None, "CUSTOM_ATTRIBUTE", store.BY_TAG, PERSONS[OURS] // 2, True),
    (RARE, None, "CUSTOM_ATTRIBUTE", store.BY_TAG, 3, True),
]


@pytest.fixture(autouse=True)
def _narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a filter that finds thirty persons be a wide one: a test has no thousands."""
    assert lists.NARROW_MATCHES > NARROW
    monkeypatch.setattr(lists, "NARROW_MATCHES", NARROW)


@pytest.mark.parametrize("case", CASES)
async def test_a_page_rides_the_index_that_has_least_to_read(profiled: Profiled, case: Case) -> None:
    """What finds little its own, anything else that of the order; what was asked before it looks at few keys alone."""
    wanted, search, by, index, keys, sorts = case
    wanted = {**wanted, "companyId": profiled.company} if wanted and "companyId" in wanted else wanted
    *probes, page = (await profiled.page(wanted, search, by))[0]
    assert page.indexes == {keys_of(index)}
    assert (page.keys <= keys + 1, page.documents <= keys, page.sorts) == (True, True, sorts), page
    for probe in probes:
        # The server may look at a key of each word that begins alike.
        assert (probe.documents, probe.keys <= 3 * NARROW) == (0, True), probe
        assert probe.indexes != {"none"}


@pytest.mark.parametrize("by", ["CREATED_AT", "UPDATED_AT", "FIRST_NAME", "LAST_NAME"])
@pytest.mark.parametrize(("wanted", "keys"), [(None, PAGE + 1), (COMMON, HALF)])
async def test_a_late_page_costs_what_the_first_costs(
    profiled: Profiled, by: str, wanted: dict[str, Any] | None, keys: int
) -> None:
    """By keyset: nothing is passed over, not even those who tie with the last one."""
    _, first = await profiled.page(wanted, None, by)
    _, late = await profiled.page(wanted, None, by, pages=12)
    assert late.indexes == first.indexes
    for one in (first, late):
        assert (one.sorts, one.keys <= keys, one.documents <= keys) == (False, True, True)


async def test_several_indexes_are_joined_for_an_or(profiled: Profiled) -> None:
    """Where each side finds little: both are looked up, and what they find is sorted."""
    emblem = {"tags": {"has": "emblem"}}
    for wanted in ({"or": [RARE, {"companyId": profiled.company}]}, {**emblem}):
        _, page = await profiled.page(wanted, None, "LAST_NAME")
        assert page.indexes == {keys_of(store.BY_TAG), keys_of(store.BY_COMPANY)}
        assert (page.keys <= 10, page.documents <= 8, page.sorts) == (True, True, True)


async def test_ids_are_looked_up_in_one_read(profiled: Profiled) -> None:
    """By themselves and as merged into somebody, though nothing was counted before."""
    for by in ("LAST_NAME", "CREATED_AT"):
        *probes, page = (await profiled.page({"ids": ["per_1", "per_2"]}, None, by))[0]
        assert (probes, page.indexes) == ([], {keys_of(BY_ID), keys_of(store.BY_WORD)})
        assert (page.keys <= 4, page.documents, page.sorts) == (True, 0, True), page


async def test_an_or_with_a_wide_side_is_walked_in_the_order(profiled: Profiled) -> None:
    """Joining would sort half of the account."""
    _, page = await profiled.page({"or": [RARE, COMMON]}, None, "LAST_NAME")
    assert (page.indexes, page.sorts) == ({keys_of(store.BY_LAST_NAME)}, False)
    assert page.keys <= HALF


async def test_counts_look_at_keys_of_what_they_count(profiled: Profiled) -> None:
    """Of everybody and of a tag without a single document."""
    persons = profiled.home.persons
    tag = (await profiled.home.catalog.of(OURS)).tags_by_name["common"].id
    for query, index, keys in (
        ({}, store.BY_CREATION, PERSONS[OURS]),
        ({"tags": tag}, store.BY_TAG, PERSONS[OURS] // 2),
        ({"companies.id": profiled.company}, store.BY_COMPANY, 5),
    ):
        (read,) = await profiled.reads(persons.count(OURS, query))
        assert (read.indexes, read.documents, read.sorts) == ({keys_of(index)}, 0, False)
        assert read.keys <= keys + 1
    both = await persons.query(OURS, {"tags": {"hasAll": ["common", "rare"]}})
    *_, read = await profiled.reads(persons.count(OURS, both))
    assert (read.indexes, read.keys) == ({keys_of(store.BY_TAG)}, 3)


async def test_members_timelines_and_activity_ride_their_indexes(profiled: Profiled) -> None:
    """Forward, backward and behind a position, nothing is sorted and nobody else is looked at."""
    persons, timeline = profiled.home.persons, profiled.home.timeline
    at = (clock.millis(clock.now() - timedelta(days=399)), "zzz")
    for part in (Slice(2), Slice(2, backward=True), Slice(2, at), Slice(2, at, backward=True)):
        by_id = Slice(part.limit, part.position and ("per_1",), part.backward)
        found = await profiled.reads(
            persons.members(OURS, profiled.company, by_id),
            timeline.of_subjects(OURS, [f"{OURS}-1"], EVERYTHING, part),
            timeline.of_subjects(OURS, [f"{OURS}-1", f"{OURS}-2"], EVERYTHING, part),
            timeline.of_account(OURS, EVERYTHING, part),
        )
        indexes = [store.BY_COMPANY, events.BY_SUBJECT, events.BY_SUBJECT, events.BY_ARRIVAL]
        assert [one.indexes for one in found] == [{keys_of(index)} for index in indexes]
        assert [one for one in found if one.sorts or one.keys > 6 or one.documents > 4] == []


async def test_reads_by_key_are_by_id(profiled: Profiled) -> None:
    """Persons, companies, claims and events."""
    home = profiled.home
    found = await profiled.reads(
        home.persons.get(OURS, "per_1"),
        home.persons.find_all(OURS, [Locator("email", "a@b.c"), Locator("phone", "4366000")]),
        profiled.companies.get_all(OURS, [profiled.company]),
        home.timeline.get(OURS, [f"{OURS}-1:1"]),
    )
    assert {one.collection for one in found} == {"persons", "claims", "companies", "events"}
    assert [one for one in found if one.plan != "IDHACK" and one.indexes != {keys_of(BY_ID)}] == []


@pytest.mark.parametrize(
    ("wanted", "by", "index", "keys"),
    [
        (None, "CREATED_AT", company_store.BY_CREATION, PAGE),
        (None, "UPDATED_AT", company_store.BY_UPDATE, PAGE),
        (None, "NAME", company_store.BY_NAME, PAGE),
        ({"tags": {"has": "emblem"}}, "CREATED_AT", company_store.BY_TAG, 1),
        ({"tags": {"has": "emblem"}}, "NAME", company_store.BY_TAG, 1),
    ],
)
async def test_companies_are_listed_by_their_indexes(
    profiled: Profiled, wanted: dict[str, Any] | None, by: str, index: Sort, keys: int
) -> None:
    """As persons are."""
    companies = profiled.companies
    order = await companies.order(OURS, By(by))
    query = await companies.query(OURS, wanted)
    *_, page = await profiled.reads(companies.page(OURS, query, Slice(LIMIT), order))
    assert page.indexes == {keys_of(index)}
    assert page.keys <= keys + 1


async def test_look_alikes_are_found_by_the_words_of_one_account(profiled: Profiled) -> None:
    """First the keys alone are counted; what many share is never read, who was told apart rides its own index."""
    words = ["~nm3 an", "~@ann12", "~nobody"]
    count, read = await profiled.reads(Sharing(profiled.home.engine).find(OURS, words))
    assert (count.indexes, read.indexes) == ({keys_of(store.BY_WORD)}, {keys_of(store.BY_WORD)})
    # 43 have the name, one the email; a key more for each word, to see where it ends.
    shared = PERSONS[OURS] // 7 + 2
    assert (count.documents, read.documents <= shared, read.sorts) == (0, True, False)
    assert max(count.keys, read.keys) <= shared + len(words) + 1
    assert [one.documents for one in await profiled.reads(Sharing(profiled.home.engine).find(THEIRS, words[:1]))] == [0]
    part = (await profiled.home.persons.page(OURS, {}, Slice(2))).items
    dismissals = Dismissals(profiled.home.engine, lambda: b"secret")
    await dismissals.note(OURS, part)
    (apart,) = await profiled.reads(dismissals.among(OURS, {one.id: one for one in part}))
    assert (apart.indexes, apart.documents, apart.sorts) == ({keys_of(BY_PERSON)}, 1, False)


async def test_catalogs_and_carriers_of_tags_are_read_by_account(profiled: Profiled) -> None:
    """A definition of another account is not looked at."""
    found = await profiled.reads(
        profiled.home.catalog.fresh(OURS), profiled.home.persons.query(OURS, {"tags": {"has": "emblem"}})
    )
    assert {one.collection for one in found} == {"claims", "tags", "attributes", "eventTypes", "companies"}
    # The mark of the last deletion is read by its key.
    plans = {"claims": "IXSCAN { _id: 1"}
    wanted = [(one, plans.get(one.collection, "IXSCAN { account: 1")) for one in found]
    assert [one for one, plan in wanted if not one.plan.startswith(plan) or one.documents > 3] == []


async def test_a_deleted_tag_and_attribute_are_swept_by_their_indexes(profiled: Profiled) -> None:
    """Of the one account alone."""
    catalog = profiled.home.catalog
    await catalog.create_tag(OURS, "passing")
    await catalog.define_attribute(OURS, AttributeDefinition(ids.new("att"), "PERSON", "passing", "DATE", clock.now()))
    await catalog.delete_tag(OURS, "passing")
    await catalog.delete_attribute(OURS, "PERSON", "passing")
    found = await profiled.reads(catalog.sweeps.sweep())
    swept = [one for one in found if one.collection in {"persons", "companies"}]
    assert [(one.indexes, one.documents) for one in swept] == [
        ({keys_of(store.BY_TAG)}, 0),
        ({keys_of(company_store.BY_TAG)}, 0),
        ({keys_of(BY_VALUE)}, 0),
    ]


async def test_members_who_are_told_are_found_by_their_index(profiled: Profiled) -> None:
    """Of many companies at once, bite by bite in the order of ids, which nobody sorts."""
    engine, catalog = profiled.home.engine, profiled.home.catalog
    companies = [*(f"com_{n}" for n in range(COMPANIES_AT_ONCE - 1)), profiled.company]
    said = sayable("inh_1", "inheritedTags", "API", clock.now())
    await engine.write(SWEEPS, [later(OURS, MEMBERS, companies, said=said)])
    found = await profiled.reads(catalog.sweeps.sweep())
    passed = [one for one in found if one.collection == "persons"]
    assert {(frozenset(one.indexes), one.sorts) for one in passed} == {(frozenset({keys_of(store.BY_COMPANY)}), False)}
    assert sum(one.documents for one in passed) == 5
    assert await engine.find(SWEEPS, {"kind": MEMBERS}) == []
