"""What somebody ruled of an issue: which value holds, and that it is tried again. All pure."""

from dataclasses import replace
from typing import Any

from app.catalog.checks import Listing
from app.catalog.model import COMPANY, PERSON
from app.companies import wish as companies
from app.core import clock
from app.imports.fields import CUSTOM, FIELDS
from app.mongo.engine import Document
from app.persons import wish as persons
from app.sync.model import FAILING, IDLE, PROFILE, RUNNING, Connection, Link, SyncIssue, wanted_record
from app.sync.slots import Base
from app.sync.store import OUTWARD, issue_about
from app.sync.weigh import UNLIKE

# Fields of which a person has several values: the one that was ruled is the primary one.
MANY = ("email", "phone")


def record(issue: SyncIssue) -> str:
    """Return the record of an issue, or what stands for the one that a profile is to get."""
    return issue.record_id or wanted_record(issue.profile or "")


def again(link: Link, issue: SyncIssue, keep: str | None) -> Link:
    """Return a link that is looked at once more; what was kept stands in the profile now, and goes to the CRM."""
    rules = {**link.keep, issue.slot: PROFILE} if keep and issue.slot else link.keep
    base = link.base if issue.slot else _anew(link, issue.id)
    fresh = replace(link, base=base, tries=0, keep=rules, sent={})
    now = clock.now()
    return replace(fresh, again=now) if issue.record_id else replace(fresh, push=now)


def _anew(link: Link, issue: str) -> Base:
    """Return a base by which what an issue is about is held against the other side once more, whatever it was."""

    def about(what: str) -> bool:
        return issue_about(link, what) == issue

    base = dict(link.base)
    for name, (theirs, ours, *tag) in link.base.items():
        if about(name):
            base[name] = (UNLIKE, ours, *tag)
        elif theirs != ours and not (theirs or "").startswith(UNLIKE) and (about(f"{OUTWARD}{name}") or about(OUTWARD)):
            # What can't be read from there is not written over for that.
            base[name] = (theirs, UNLIKE, *tag)
    return base


def soon(one: Connection) -> Document:
    """Return the change by which a connection runs as soon as it can, where it runs at all."""
    runs = one.state in (IDLE, FAILING, RUNNING) and one.due is not None
    return {"$set": {"due": clock.now()} if runs else {"touched": clock.now()}, "$inc": {"lease": 1}}


def person(field: str, value: Any, other: Any) -> persons.Given:
    """Return the wish for one value of one field of a person; where it is empty, the `other` side's is taken off."""
    given = persons.Given()
    if field.startswith(CUSTOM):
        given.attributes = {field.removeprefix(CUSTOM): value}
    elif field in MANY:
        listing: Listing[tuple[str, bool | None]] = (
            Listing(add=[(value, True)]) if value else Listing(remove=[other] if other else [])
        )
        setattr(given, FIELDS[PERSON][field].place, listing)
    else:
        given.scalars[FIELDS[PERSON][field].place] = value
    return given


def company(field: str, value: Any) -> companies.Given:
    """Return the same of a company."""
    if field.startswith(CUSTOM):
        return companies.Given(attributes={field.removeprefix(CUSTOM): value})
    return companies.Given({FIELDS[COMPANY][field].place: value})
