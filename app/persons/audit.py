"""The check of everything that must agree: claims with owners, memberships with companies, lists with profiles."""

from collections.abc import AsyncIterator

from app.catalog.held import OWNERS as DEFINITIONS
from app.catalog.model import Catalog
from app.changes.derived import stale
from app.claims.audit import ClaimAudit, Finding, Owners, pages
from app.claims.model import Claim
from app.companies.held import KIND as COMPANY_KIND
from app.companies.held import OWNERS as COMPANIES
from app.mongo.engine import Document, Engine, Unit, Update
from app.persons import record
from app.persons.model import claims_of, lines_of

COMPANY_PREFIX = "com"


def _of_person(kept: Document) -> list[Claim]:
    person = record.read(kept, Catalog(kept["account"]))
    at, lines = person.updated_at, lines_of(person)
    return [Claim(key, person.account, person.id, lines.get(key, person.subjects[0]), at) for key in claims_of(person)]


OWNERS = {**DEFINITIONS, **COMPANIES, "per": Owners(record.COLLECTION, _of_person)}


async def audit(engine: Engine, *, repair: bool = False) -> AsyncIterator[Finding]:
    """Give what is wrong on the whole store; with `repair` what can be mended is. Safe beside a running service."""
    async for finding in ClaimAudit(engine, OWNERS, repair=repair).findings():
        yield finding
    async for kept in pages(engine, record.COLLECTION):
        for person_id, company_id in await _dangling(engine, kept):
            if dangling := await _unlinked(engine, person_id, company_id, repair=repair):
                yield dangling
    for kind in (record.KIND, COMPANY_KIND):
        async for finding in stale(engine, kind, repair=repair):
            yield finding


async def _dangling(engine: Engine, kept: list[Document]) -> list[tuple[str, str]]:
    links = [(one["_id"], link["id"]) for one in kept for link in one.get("companies", ())]
    wanted = list(dict.fromkeys(company_id for _, company_id in links))
    there = await engine.find(COMPANIES[COMPANY_PREFIX].collection, {"_id": {"$in": wanted}}, projection={"_id": 1})
    known = {one["_id"] for one in there}
    return [link for link in links if link[1] not in known]


async def _unlinked(engine: Engine, person_id: str, company_id: str, *, repair: bool) -> Finding | None:
    async def work(unit: Unit) -> Finding | None:
        (person,) = await unit.find(record.COLLECTION, {"_id": person_id}) or (None,)
        links = [] if person is None else person.get("companies", [])
        company = await unit.find(COMPANIES[COMPANY_PREFIX].collection, {"_id": company_id})
        if person is None or company or company_id not in [one["id"] for one in links]:
            return None
        if repair:
            rest = [one for one in links if one["id"] != company_id]
            change = {"$set": {"companies": rest}} if rest else {"$unset": {"companies": ""}}
            await unit.write(record.COLLECTION, [Update({"_id": person_id}, {**change, "$inc": {"version": 1}})])
        return Finding("DANGLING_LINK", person["account"], person_id, f"{company_id} is no company", repair)

    return await engine.unit(work)
