"""How persons are asked for and changed."""

from asyncio import gather
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Annotated, Any

import strawberry

from app.catalog.checks import Listing
from app.catalog.filters import narrows
from app.changes.rows import Row
from app.claims.asked import Read, nobody
from app.core.errors import Refused
from app.core.pages import PAGE_MAX
from app.core.tally import Tally
from app.graph import devices, reading, types
from app.graph.connections import Connection, Place, listed, paged
from app.graph.context import Context
from app.graph.declare import First, Info, Input, Last, argument, relation
from app.graph.direct import keyed
from app.graph.inputs import CreatePersonInput, PersonLocator, UpdatePersonInput
from app.graph.relations import After, Before
from app.graph.results import (
    DeletePayload,
    Payload,
    PersonPayload,
    PersonResultsPayload,
    TagPersonsPayload,
    results,
    settled,
    shown,
)
from app.graph.scalars import JSON
from app.graph.services import Services
from app.graph.wanted import PersonFilter, PersonOrder
from app.persons import items as list_items
from app.persons.batch import Tagged
from app.persons.model import Person
from app.persons.record import SOURCES

By = Annotated[Input, argument("Whom.", PersonLocator)]
Search = Annotated[str | None, argument("Words, each of which begins a word of the names, emails or numbers.")]
Expected = Annotated[int | None, argument("Refuse with VERSION_CONFLICT where the profile is at another version.")]
Key = Annotated[
    str | None,
    argument(
        "Makes the call happen once: the same key and input within 24 hours get the same answer, another input gets"
        " IDEMPOTENCY_MISMATCH. At most 255 characters; a refused call leaves its key free."
    ),
]
Attribute = Annotated[str, argument("The name of a LIST attribute.")]


def _asked(services: Services, account: str, arguments: Mapping[str, Any], tally: Tally) -> Read:
    locator = reading.known(arguments["by"])
    return services.persons.ask(account, locator, tally) if locator else nobody()


@keyed(SOURCES, _asked)
async def person(info: Info, by: By) -> Person | None:
    """Find one person."""
    locator = reading.known(by)
    return await info.context.services.persons.find(info.context.account, locator) if locator else None


@listed(SOURCES)
async def persons(
    info: Info,
    filter: Annotated[Input | None, argument("Which persons; all where nothing is said.", PersonFilter | None)] = None,
    search: Search = None,
    order_by: Annotated[Input | None, argument("In which order; newest first by default.", PersonOrder | None)] = None,
    first: First = None,
    after: After = None,
    last: Last = None,
    before: Before = None,
) -> Connection[Any]:
    """Page through persons."""
    context, rooms = info.context, info.context.services.persons
    order = await rooms.order(context.account, reading.order(order_by))
    place = Place(context, "persons", filter, search, order.field, order.descending)
    part = place.part(first, after, last, before)
    query = await rooms.query(context.account, filter, search)
    found, count = (context.account, query, part, order), partial(rooms.count, context.account, query)
    kept, models = (partial(rooms.rows, *found), order.standing), (partial(rooms.page, *found), order.position)
    return await paged(info, place, kept, models, count=count)


async def match_persons(
    info: Info,
    by: Annotated[Sequence[Input], argument("Whom, at most 1000.", list[PersonLocator])],
) -> list[str | None]:
    """Find the ids of many."""
    if len(by) > PAGE_MAX:
        raise reading.too_many(PAGE_MAX, "persons")
    named = [reading.known(one) for one in by]
    wanted = [one for one in named if one]
    found = iter(await info.context.services.persons.find_all(info.context.account, wanted))
    held = [next(found) if one else None for one in named]
    return [one.id if one else None for one in held]


async def create_person(
    info: Info, input: Annotated[Input, argument("The person.", CreatePersonInput)], idempotency_key: Key = None
) -> Payload:
    """Make a person."""
    context, persons = info.context, info.context.services.persons

    async def work() -> Person:
        once = reading.once(context.account, idempotency_key, "createPerson", input=input)
        return await persons.create(context.actor, reading.new_person(input), once=once)

    return await settled(context.actor, "person", work(), deleted_person_ids=[])


async def update_person(
    info: Info,
    by: By,
    input: Annotated[Input, argument("The changes.", UpdatePersonInput)],
    expected_version: Expected = None,
    idempotency_key: Key = None,
) -> Payload:
    """Change a person."""
    context, update = info.context, devices.saving(info.context, by)

    async def work() -> Person:
        once = reading.once(context.account, idempotency_key, "updatePerson", by=by, input=input, at=expected_version)
        whom, changes = reading.locator(by, "by"), reading.changed_person(input)
        return await update(context.actor, whom, changes, expected=expected_version, once=once)

    return await settled(context.actor, "person", work(), deleted_person_ids=[])


async def replace_person(
    info: Info,
    by: By,
    input: Annotated[Input, argument("The whole person; its type is passed over.", CreatePersonInput)],
    expected_version: Expected = None,
    idempotency_key: Key = None,
) -> Payload:
    """Overwrite a person."""
    context, persons = info.context, info.context.services.persons

    async def work() -> Person:
        once = reading.once(context.account, idempotency_key, "replacePerson", by=by, input=input, at=expected_version)
        whom, whole, expected = reading.locator(by, "by"), reading.new_person(input), expected_version
        return await persons.update(context.actor, whom, whole, expected=expected, overwrite=True, once=once)

    return await settled(context.actor, "person", work(), deleted_person_ids=[])


async def delete_person(info: Info, by: By) -> Payload:
    """Delete a person."""
    context = info.context

    async def work() -> list[str]:
        return [await context.services.persons.delete(context.actor, reading.locator(by, "by"))]

    return await settled(context.actor, "deleted_ids", work(), deleted_ids=[])


async def delete_persons(
    info: Info, by: Annotated[Sequence[Input], argument("Whom, at most 1000.", list[PersonLocator])]
) -> Payload:
    """Delete several persons, each for itself."""
    if len(by) > PAGE_MAX:
        refused = [Refused("TOO_MANY", f"A call deletes at most {PAGE_MAX} persons.", ("by",))]
        return Payload(deleted_ids=[], errors=shown(refused, info.context.actor))
    outcomes = await gather(*[_deleted(info, one) for one in by])
    refused = [_of_item(one, index) for index, one in enumerate(outcomes) if isinstance(one, Refused)]
    deleted = [one for one in outcomes if isinstance(one, str)]
    return Payload(deleted_ids=deleted, errors=shown(refused, info.context.actor))


def _of_item(refusal: Refused, index: int) -> Refused:
    return Refused(refusal.code, refusal.message, ("by", str(index), *refusal.path[1:]))


async def _deleted(info: Info, by: Input) -> str | Refused:
    try:
        return await info.context.services.persons.delete(info.context.actor, reading.locator(by, "by"))
    except Refused as refusal:
        return refusal


async def upsert_persons(
    info: Info,
    persons: Annotated[Sequence[Input], argument("The rows, at most 1000.", list[CreatePersonInput])],
    replace: Annotated[bool, argument("Empty what a row leaves out.")] = False,  # noqa: FBT002 - by name
    atomic: Annotated[bool, argument("All rows, or where one is refused none.")] = False,  # noqa: FBT002 - by name
    idempotency_key: Key = None,
) -> Payload:
    """Make or change several persons."""
    context, batches, given = info.context, info.context.services.batches, [reading.new_person(one) for one in persons]

    async def work() -> list[Row[Person]]:
        said = {"persons": persons, "replace": replace, "atomic": atomic}
        once = reading.once(context.account, idempotency_key, "upsertPersons", **said)
        return await batches.upsert(context.actor, given, overwrite=replace, atomic=atomic, once=once)

    return results(await settled(context.actor, "results", work(), results=[]), "person", context.actor)


async def tag_persons(
    info: Info,
    ids: Annotated[list[strawberry.ID] | None, argument("Whom, at most 1000.")] = None,
    filter: Annotated[Input | None, argument("Or all whom a filter finds.", PersonFilter | None)] = None,
    add: Annotated[list[str], argument("Names of tags to add; new ones are made.")] = [],  # noqa: B006 - read only
    remove: Annotated[list[str], argument("Names of tags to take off.")] = [],  # noqa: B006 - read only
) -> Payload:
    """Tag many."""
    payload = await settled(info.context.actor, "done", _tagged(info.context, ids, filter, Listing(None, add, remove)))
    done = payload.done or Tagged(0)
    return Payload(changed=done.changed, errors=payload.errors or shown(done.refused, info.context.actor))


async def _tagged(context: Context, ids: Sequence[str] | None, wanted: Input | None, change: Listing[str]) -> Tagged:
    if (ids is None) == (wanted is None):
        raise Refused("INVALID", "Say whom by `ids` or by `filter`.", ("ids",))
    batches = context.services.batches
    if ids is not None:
        return await batches.tag(context.actor, ids, change)
    query = await context.services.persons.query(context.account, wanted)
    if not narrows(query):
        # More likely a variable that was forgotten than a wish to tag the whole account.
        raise Refused("REQUIRED", "This filter asks for nothing, and would find everybody.", ("filter",))
    return await batches.tag_found(context.actor, query, change)


async def _items(info: Info, by: Input, attribute: str, rule: list_items.ItemsRule) -> Payload:
    context = info.context

    async def work() -> Person:
        whom = reading.locator(by, "by")
        return await context.services.persons.change_items(context.actor, whom, attribute, rule)

    return await settled(context.actor, "person", work(), deleted_person_ids=[])


async def append_list_items(
    info: Info,
    by: By,
    attribute: Attribute,
    items: Annotated[list[JSON], argument("New items, 1 to 128, without ids.")],
) -> Payload:
    """Append items."""
    return await _items(info, by, attribute, list_items.appended(items))


async def update_list_items(
    info: Info,
    by: By,
    attribute: Attribute,
    items: Annotated[list[JSON], argument("Objects with `__id` and the fields to change; null clears a field.")],
) -> Payload:
    """Change items."""
    return await _items(info, by, attribute, list_items.patched(items))


async def remove_list_items(
    info: Info,
    by: By,
    attribute: Attribute,
    item_ids: Annotated[list[str] | None, argument("Ids of the items; all where nothing is said.")] = None,
) -> Payload:
    """Take items off."""
    return await _items(info, by, attribute, list_items.without(item_ids))


@strawberry.type
class PersonQueries:
    """What can be asked about persons."""

    person: types.Person | None = relation(
        person, "One person; null where nobody is known. The id of a merged person finds its survivor."
    )
    persons: types.PersonConnection = relation(persons, "Persons in pages.")
    match_persons: list[strawberry.ID | None] = relation(
        match_persons, "Ids, aligned with the input; null where nobody is known. At most 1000."
    )


@strawberry.type
class PersonMutations:
    """What can be done with persons."""

    create_person: PersonPayload = relation(create_person, "Makes a person. A taken identifier is refused.")
    update_person: PersonPayload = relation(update_person, "Changes a person: absent keeps, null clears.")
    replace_person: PersonPayload = relation(
        replace_person,
        "Overwrites: what is absent is emptied. Push registrations, channels, type and origin stay.",
    )
    delete_person: DeletePayload = relation(
        delete_person, "Deletes a person with identifiers and timeline; the identifiers are free at once."
    )
    upsert_persons: PersonResultsPayload = relation(
        upsert_persons,
        "Makes or changes up to 1000 persons; each row finds its person by externalId, then emails, then phones."
        " Contacts and tags of a row join those that are there; `replace` empties what a row leaves out.",
    )
    tag_persons: TagPersonsPayload = relation(
        tag_persons, "Adds and removes tags of up to 1000 persons by id, or of all whom a filter finds; safe to repeat."
    )
    delete_persons: DeletePayload = relation(delete_persons, "Deletes several persons, each for itself.")
    append_list_items: PersonPayload = relation(
        append_list_items, "Puts items behind those of a LIST attribute; each gets an `__id`."
    )
    update_list_items: PersonPayload = relation(update_list_items, "Changes fields of items of a LIST attribute.")
    remove_list_items: PersonPayload = relation(remove_list_items, "Takes items off a LIST attribute.")
