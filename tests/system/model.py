"""The rules of persons, tags, attributes and companies as a model in memory, written from the rules alone.

Each verb takes the input of a mutation, with the ids that the service gave to what it made, and returns the payload
that must come, or raises Wrong. Errors are (code, path, existing id).
"""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

Error = tuple[str, tuple[str, ...], str | None]
Key = tuple[str, str]
Paths = dict[Key, tuple[str, ...]]
Change = dict[str, Any] | None
NOBODY_YET = "nobody yet"
SCALARS = ("externalId", "firstName", "lastName")
DUPLICATE = {"externalId": "DUPLICATE_EXTERNAL_ID", "email": "DUPLICATE_EMAIL", "phone": "DUPLICATE_PHONE"}


class Wrong(Exception):  # noqa: N818
    """What is refused."""

    def __init__(self, *errors: Error) -> None:
        super().__init__(errors)
        self.errors = errors


def refusal(code: str, *path: str) -> Wrong:
    """Return the refusal for one reason."""
    return Wrong((code, path, None))


def email(text: str) -> str:
    """Emails are compared trimmed and without case."""
    return text.strip().lower()


def phone(text: str) -> str:
    """Numbers are compared by their digits."""
    return "".join(char for char in text if char in "0123456789")


def same(text: str) -> str:
    """Names of tags, attributes and companies are compared without case."""
    return text.strip().casefold()


@dataclass
class Member:
    """A link to a company."""

    role: str | None
    primary: bool


@dataclass
class Person:
    """One person; contacts are in the order in which they came, each with whether it is primary."""

    id: str
    type: str
    texts: dict[str, str | None] = field(default_factory=lambda: dict.fromkeys(SCALARS))
    emails: dict[str, bool] = field(default_factory=dict)
    phones: dict[str, bool] = field(default_factory=dict)
    tags: list[str] = field(default_factory=list)
    values: dict[str, Any] = field(default_factory=dict)
    companies: dict[str, Member] = field(default_factory=dict)
    version: int = 1

    def held(self) -> dict[Key, None]:
        """Return its identifiers."""
        external_id = self.texts["externalId"]
        ids = [("externalId", external_id)] if external_id is not None else []
        return dict.fromkeys(ids + [("email", one) for one in self.emails] + [("phone", one) for one in self.phones])

    def content(self) -> tuple[Any, ...]:
        """Return what makes it another when it changes; the order of lists counts."""
        return (self.type, self.texts, [*self.emails.items()], [*self.phones.items()], self.tags, self.values)


@dataclass
class Company:
    """One company."""

    id: str
    name: str
    tags: list[str]


@dataclass
class State:
    """What one account holds; tags and attributes by name without case."""

    persons: dict[str, Person] = field(default_factory=dict)
    companies: dict[str, Company] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    attributes: dict[str, tuple[str, str]] = field(default_factory=dict)

    def owner(self, key: Key) -> Person | None:
        """Return who has an identifier."""
        return next((one for one in self.persons.values() if key in one.held()), None)

    def find(self, by: dict[str, str]) -> Person | None:
        """Return whom a locator means."""
        ((kind, value),) = by.items()
        if kind == "id":
            return self.persons.get(value)
        return self.owner((kind, {"email": email, "phone": phone}.get(kind, str)(value)))

    def meant(self, by: dict[str, str]) -> Person:
        """Return whom a mutation means."""
        found = self.find(by)
        if found is None:
            raise refusal("PERSON_NOT_FOUND", "by")
        return found

    def company(self, by: dict[str, str], argument: str) -> Company:
        """Return the company that a mutation means."""
        ((kind, value),) = by.items()
        for one in self.companies.values():
            if one.id == value if kind == "id" else same(one.name) == same(value):
                return one
        raise refusal("COMPANY_NOT_FOUND", argument)

    def inherited(self, person: Person) -> list[str]:
        """Return the tags of a person's companies, as they are shown."""
        return sorted({self.tags[tag] for one in person.companies for tag in self.companies[one].tags})

    def view(self, person: Person) -> dict[str, Any]:
        """Return a person as GraphQL shows it."""
        return {
            "id": person.id,
            "type": person.type,
            **person.texts,
            "emails": [{"address": one, "primary": flag} for one, flag in person.emails.items()],
            "phones": [{"number": one, "primary": flag} for one, flag in person.phones.items()],
            "tags": [self.tags[tag] for tag in person.tags],
            "customAttributes": {self.attributes[name][0]: value for name, value in person.values.items()},
            "version": person.version,
            "inheritedTags": self.inherited(person),
            "companies": {one: (member.role, member.primary) for one, member in person.companies.items()},
        }


# ---------------------------------------------------------------- checks that need nobody else


def checked(state: State, given: dict[str, Any]) -> None:
    """Refuse what is wrong in itself, all of it at once."""
    names = [name for name in ("firstName", "lastName") if "<" in (given.get(name) or "")]
    errors: list[Error] = [("FORBIDDEN_CHARACTER", (name,), None) for name in names]
    for name in ("emails", "phones", "tags"):
        errors += _listing(name, given.get(name))
    for name, value in (given.get("customAttributes") or {}).items():
        at = ("customAttributes", name)
        kind = state.attributes.get(same(name), ("", ""))[1]
        if not kind:
            errors.append(("UNKNOWN_ATTRIBUTE", at, None))
        elif value is not None and isinstance(value, int) != (kind == "INTEGER"):
            errors.append(("WRONG_ATTRIBUTE_TYPE", at, None))
    if errors:
        raise Wrong(*errors)


def _listing(name: str, given: Any) -> list[Error]:
    parts = {(name,): given} if isinstance(given, list) else {(name, part): one for part, one in (given or {}).items()}
    errors: list[Error] = []
    if (name, "set") in parts and any(items for at, items in parts.items() if at != (name, "set")):
        errors.append(("INVALID", (name, "set"), None))
    for at, items in parts.items():
        if name != "tags" and at[-1] != "remove" and sum(one.get("primary") is True for one in items) > 1:
            errors.append(("INVALID", at, None))
    return errors


# ---------------------------------------------------------------- what a change makes of a person


def contacts(held: dict[str, bool], change: Change, normal: Callable[[str], str], leaf: str) -> dict[str, bool]:
    """At most one is primary: who is told to be, else who was, else the oldest; the first one is, until told."""
    if change is None:
        return held
    wanted = change["set"] if "set" in change else change.get("add", [])
    gone = {normal(one) for one in change.get("remove", [])}
    left = {} if "set" in change else {one: flag for one, flag in held.items() if one not in gone}
    told = {normal(one[leaf]): one.get("primary") for one in wanted}
    order = list(dict.fromkeys([*left, *told]))
    chosen = [one for one in order if told.get(one) is True]
    was = [one for one in order if left.get(one) and told.get(one) is not False]
    primary = next(iter([*chosen, *was, *order]), None)
    return {one: one == primary for one in order}


def tagged(held: list[str], change: Change, state: State) -> list[str]:
    """Add and take off tags, or set them; unknown names are made, in the writing that comes first."""
    if change is None:
        return held
    names = change["set"] if "set" in change else change.get("add", [])
    gone = {same(one) for one in change.get("remove", [])}
    for name in names:
        state.tags.setdefault(same(name), name)
    left = [] if "set" in change else [one for one in held if one not in gone]
    new = list(dict.fromkeys([*left, *map(same, names)]))
    return held if set(new) == set(held) and "set" not in change else new


def written(state: State, person: Person, given: dict[str, Any]) -> None:
    """Write changes into a person; lists are `set`, or `add` and `remove`."""
    person.texts = person.texts | {name: given[name] for name in SCALARS if name in given}
    person.emails = contacts(person.emails, given.get("emails"), email, "address")
    person.phones = contacts(person.phones, given.get("phones"), phone, "number")
    person.tags = tagged(person.tags, given.get("tags"), state)
    values = person.values | {same(name): value for name, value in (given.get("customAttributes") or {}).items()}
    person.values = {name: value for name, value in values.items() if value is not None}


def settled(state: State, before: Person | None, after: Person, paths: Paths) -> None:
    """Refuse nobody's person and taken identifiers; else it is the account's."""
    if not after.held():
        raise refusal("NO_IDENTIFIER")
    errors: list[Error] = []
    for key in after.held():
        owner = state.owner(key)
        if owner and owner.id != after.id:
            errors.append((DUPLICATE[key[0]], paths[key], owner.id))
    if errors:
        raise Wrong(*errors)
    if before is not None:
        after.version = before.version + (before.content() != after.content())
    state.persons[after.id] = after


def paths_of(given: dict[str, Any]) -> Paths:
    """Return where in an input each identifier stands."""
    found: Paths = {}
    for name, kind, leaf, normal in (("emails", "email", "address", email), ("phones", "phone", "number", phone)):
        parts = given.get(name) or {}
        for part, items in {"": parts}.items() if isinstance(parts, list) else parts.items():
            at = (name, part) if part else (name,)
            wanted = [] if part == "remove" else items
            found |= {(kind, normal(one[leaf])): (*at, str(i), leaf) for i, one in enumerate(wanted)}
    if given.get("externalId"):
        found["externalId", given["externalId"]] = ("externalId",)
    return found


def whole(given: dict[str, Any], part: str) -> dict[str, Any]:
    """Return the input of a new person as changes: its lists under `set` or `add`."""
    lists = {name: {part: given[name]} for name in ("emails", "phones", "tags") if given.get(name) is not None}
    return {name: value for name, value in given.items() if name not in ("emails", "phones", "tags")} | lists


# ---------------------------------------------------------------- verbs on persons


def create(state: State, given: dict[str, Any], made: str | None) -> Person:
    """Make a person, a CUSTOMER where nothing is said."""
    checked(state, given)
    after = Person(made or NOBODY_YET, given.get("type") or "CUSTOMER")
    written(state, after, whole(given, "set"))
    settled(state, None, after, paths_of(given))
    return after


def update(state: State, by: dict[str, str], given: dict[str, Any], expected: int | None) -> Person:
    """Absent keeps, null clears; a lead may become a customer."""
    checked(state, given)
    before = state.meant(by)
    if expected is not None and expected != before.version:
        raise refusal("VERSION_CONFLICT", "expectedVersion")
    nulls: dict[str, Change] = {
        name: {"set": []} for name in ("emails", "phones", "tags") if name in given and given[name] is None
    }
    return changed(state, before, given | nulls, paths_of(given))


def changed(state: State, before: Person, given: dict[str, Any], paths: Paths) -> Person:
    """Change one person."""
    after = copy.deepcopy(before)
    if given.get("type"):
        promoted(after, given["type"])
    written(state, after, given)
    settled(state, before, after, paths)
    return after


def promoted(person: Person, wanted: str) -> None:
    """Make a customer of a lead; never the other way."""
    if (person.type, wanted) == ("CUSTOMER", "LEAD"):
        raise refusal("TYPE_NOT_ALLOWED", "type")
    person.type = wanted


def replaced(state: State, before: Person, given: dict[str, Any]) -> Person:
    """Overwrite: what is absent is emptied; type and companies stay."""
    after = Person(before.id, before.type, companies=copy.deepcopy(before.companies), version=before.version)
    written(state, after, whole(given, "set"))
    settled(state, before, after, paths_of(given))
    return after


def replace(state: State, by: dict[str, str], given: dict[str, Any]) -> Person:
    """Overwrite one person."""
    checked(state, given)
    return replaced(state, state.meant(by), given)


def upsert(state: State, row: dict[str, Any], made: str | None, *, full: bool) -> tuple[str, Person]:
    """Find by external id, then emails, then phones; make where nobody is found, else add or overwrite."""
    checked(state, row)
    paths = paths_of(row)
    order = sorted(paths, key=lambda key: ("externalId", "email", "phone").index(key[0]))
    before = next((owner for key in order if (owner := state.owner(key))), None)
    if before is None:
        return "CREATED", create(state, row, made)
    if row.get("externalId") and before.texts["externalId"] not in (None, row["externalId"]):
        held = next(key for key in order if key in before.held())
        raise Wrong((DUPLICATE[held[0]], paths[held], before.id))
    after = replaced(state, before, row) if full else changed(state, before, whole(row, "add"), paths)
    return "NOT_MODIFIED" if after.version == before.version else "UPDATED", after


def tag_many(state: State, ids: Sequence[str], change: dict[str, Any], where: str) -> tuple[int, list[Error]]:
    """Add and remove tags, each person for itself; whoever was so already is not counted."""
    count = 0
    errors: list[Error] = []
    for index, person_id in enumerate(ids):
        try:
            version = state.persons[person_id].version if person_id in state.persons else 0
            count += attempt(state, update, {"id": person_id}, {"tags": change}, None).version > version
        except Wrong:
            errors.append(("PERSON_NOT_FOUND", (where, str(index)), None))
    return count, errors


def attempt(state: State, verb: Callable[..., Any], *args: Any, **options: Any) -> Any:
    """Do something wholly, or not at all."""
    tried = copy.deepcopy(state)
    result = verb(tried, *args, **options)
    state.__dict__.update(tried.__dict__)
    return result


def upsert_all(
    state: State, rows: Sequence[dict[str, Any]], made: Sequence[str | None], *, full: bool, atomic: bool
) -> list[tuple[str, dict[str, Any] | None, list[Error]]]:
    """Rows in their order, each for itself, or with `atomic` all or nothing; returns status, person, errors."""
    tried = copy.deepcopy(state)
    rest: list[Error] = [("WRONG_STATE", (), None)]
    results: list[tuple[str, dict[str, Any] | None, list[Error]]] = []
    for index, row in enumerate(rows):
        try:
            status, person = attempt(tried, upsert, row, made[index] or f"{NOBODY_YET} {index}", full=full)
            results.append((status, tried.view(person), []))
        except Wrong as wrong:
            results.append(("FAILED", None, list(wrong.errors)))
    if atomic and any(errors for _, _, errors in results):
        return [("FAILED", None, errors or rest) for _, _, errors in results]
    state.__dict__.update(tried.__dict__)
    return results
