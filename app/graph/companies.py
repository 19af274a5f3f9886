"""How companies are asked for and changed."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Annotated, Any

import strawberry

from app.claims.asked import Read
from app.companies.model import Company, sought
from app.companies.sources import SOURCES
from app.core import text
from app.core.errors import Refused
from app.core.pages import PAGE_MAX
from app.core.tally import Tally
from app.graph import reading, types
from app.graph.connections import Connection, Place, listed, paged
from app.graph.context import Context
from app.graph.declare import First, Info, Input, Last, argument, relation
from app.graph.direct import keyed
from app.graph.inputs import CompanyLocator, CreateCompanyInput, PersonLocator, UpdateCompanyInput
from app.graph.persons import Expected, Key
from app.graph.relations import After, Before
from app.graph.results import CompanyPayload, CompanyResultsPayload, DeletePayload, Payload, results, settled
from app.graph.services import Services
from app.graph.wanted import CompanyFilter, CompanyOrder
from app.persons.plan import Link, Unlink

By = Annotated[Input, argument("Which company.", CompanyLocator)]
Members = Annotated[Sequence[Input], argument("Whom, at most 1000.", list[PersonLocator])]
ROLE_MAX = 255
MERGED_MAX = 50


def _asked(services: Services, account: str, arguments: Mapping[str, Any], tally: Tally) -> Read:
    kind, value = reading.company(arguments["by"])
    return services.companies.ask(account, kind, value, tally)


@keyed(SOURCES, _asked)
async def company(info: Info, by: By) -> Company | None:
    """Find one company."""
    return await info.context.services.companies.find(info.context.account, *reading.company(by))


@listed(SOURCES)
async def companies(
    info: Info,
    filter: Annotated[
        Input | None, argument("Which companies; all where nothing is said.", CompanyFilter | None)
    ] = None,
    search: Annotated[str | None, argument("Words, each of which begins a word of the name or a domain.")] = None,
    order_by: Annotated[Input | None, argument("In which order; newest first by default.", CompanyOrder | None)] = None,
    first: First = None,
    after: After = None,
    last: Last = None,
    before: Before = None,
) -> Connection[Any]:
    """Page through companies."""
    context, rooms = info.context, info.context.services.companies
    order = await rooms.order(context.account, reading.order(order_by))
    place = Place(context, "companies", filter, search, order.field, order.descending)
    part = place.part(first, after, last, before)
    query = await rooms.query(context.account, filter, search)
    found, count = (context.account, query, part, order), partial(rooms.count, context.account, query)
    kept, models = (partial(rooms.rows, *found), order.standing), (partial(rooms.page, *found), order.position)
    return await paged(info, place, kept, models, count=count)


async def meant(context: Context, by: Input, *at: str) -> Company:
    """Return the company of a mutation; refuses COMPANY_NOT_FOUND at the argument that names it."""
    kind, value = reading.company(by)
    found = await context.services.companies.find(context.account, kind, value)
    if found is None:
        raise Refused("COMPANY_NOT_FOUND", "There is no such company.", at or ("by",))
    return found


async def create_company(
    info: Info, input: Annotated[Input, argument("The company.", CreateCompanyInput)], idempotency_key: Key = None
) -> Payload:
    """Make a company."""
    context, companies = info.context, info.context.services.companies

    async def work() -> Company:
        once = reading.once(context.account, idempotency_key, "createCompany", input=input)
        return await companies.create(context.actor, reading.new_company(input), once=once)

    return await settled(context.actor, "company", work())


async def update_company(
    info: Info,
    by: By,
    input: Annotated[Input, argument("The changes.", UpdateCompanyInput)],
    expected_version: Expected = None,
) -> Payload:
    """Change a company."""
    context = info.context

    async def work() -> Company:
        whom, changes = sought(*reading.company(by)), reading.changed_company(input)
        return await context.services.companies.update(context.actor, whom, changes, expected=expected_version)

    return await settled(context.actor, "company", work())


async def delete_company(info: Info, by: By) -> Payload:
    """Delete a company."""
    context = info.context

    async def work() -> list[str]:
        found = await meant(context, by)
        await context.services.companies.delete(context.actor, found)
        return [found.id]

    return await settled(context.actor, "deleted_ids", work(), deleted_ids=[])


async def upsert_companies(
    info: Info,
    companies: Annotated[Sequence[Input], argument("The rows, at most 1000.", list[CreateCompanyInput])],
    atomic: Annotated[bool, argument("All rows, or where one is refused none.")] = False,  # noqa: FBT002 - by name
) -> Payload:
    """Make or change several companies."""
    context, given = info.context, [reading.new_company(one) for one in companies]
    work = context.services.companies.upsert(context.actor, given, atomic=atomic)
    return results(await settled(context.actor, "results", work, results=[]), "company", context.actor)


async def merge_companies(
    info: Info,
    into: Annotated[Input, argument("Which one stays.", CompanyLocator)],
    companies: Annotated[Sequence[Input], argument("Which ones it takes in, at most 50.", list[CompanyLocator])],
) -> Payload:
    """Merge companies."""
    return await settled(info.context.actor, "company", _merged(info.context, into, companies))


async def _merged(context: Context, into: Input, companies: Sequence[Input]) -> Company:
    if not companies:
        raise Refused("REQUIRED", "Name the companies to take in.", ("companies",))
    if len(companies) > MERGED_MAX:
        raise Refused("TOO_MANY", f"A call merges at most {MERGED_MAX} companies.", ("companies",))
    survivor, others = await meant(context, into, "into"), []
    for index, one in enumerate(companies):
        others.append(await meant(context, one, "companies", str(index)))
    return await context.services.companies.merge(context.actor, survivor, others)


async def link_persons(
    info: Info,
    company: By,
    persons: Members,
    role: Annotated[str | None, argument("What they are there, at most 255 characters: `buyer`.")] = None,
    primary: Annotated[bool, argument("Whether it becomes their main company.")] = False,  # noqa: FBT002 - by name
) -> Payload:
    """Make persons members."""
    return await _members(info.context, company, persons, lambda found: _link(found, role, primary=primary))


async def unlink_persons(info: Info, company: By, persons: Members) -> Payload:
    """Take members off."""
    return await _members(info.context, company, persons, lambda found: Unlink(found.id, found.subject))


def _link(company: Company, role: str | None, *, primary: bool) -> Link:
    if role is not None:
        role = text.line(text.composed(role), "role")
        if len(role) > ROLE_MAX:
            raise Refused("TOO_LONG", f"A role has at most {ROLE_MAX} characters.", ("role",))
    return Link(company.id, company.subject, role, primary)


async def _members(
    context: Context, company: Input, persons: Sequence[Input], change: Callable[[Company], Link | Unlink]
) -> Payload:
    async def work() -> Company:
        if len(persons) > PAGE_MAX:
            raise Refused("TOO_MANY", f"A call takes at most {PAGE_MAX} persons.", ("persons",))
        found = await meant(context, company, "company")
        await context.services.persons.link(context.actor, reading.locators(persons, "persons"), change(found))
        return found

    return await settled(context.actor, "company", work())


@strawberry.type
class CompanyQueries:
    """What can be asked about companies."""

    company: types.Company | None = relation(company, "One company; null where it is not known.")
    companies: types.CompanyConnection = relation(companies, "Companies in pages.")


@strawberry.type
class CompanyMutations:
    """What can be done with companies."""

    create_company: CompanyPayload = relation(create_company, "Makes a company. A taken name or domain is refused.")
    update_company: CompanyPayload = relation(update_company, "Changes a company: absent keeps, null clears.")
    delete_company: DeletePayload = relation(delete_company, "Deletes a company; its persons stay.")
    upsert_companies: CompanyResultsPayload = relation(
        upsert_companies,
        "Makes or changes up to 1000 companies; each row finds its company by externalId, then name, then domains."
        " Domains and tags of a row join those that are there.",
    )
    merge_companies: CompanyPayload = relation(
        merge_companies,
        "Takes companies into one: their members and timelines move there, and their ids find it from then on. What it"
        " lacks is filled, its own values stay; domains and tags are united. Safe to repeat.",
    )
    link_persons: CompanyPayload = relation(
        link_persons, "Makes persons members of a company, all of them or, where one is unknown, none."
    )
    unlink_persons: CompanyPayload = relation(unlink_persons, "Takes persons off a company.")
