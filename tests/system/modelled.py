"""The rest of the model: companies with their members, tags, attributes."""

from collections.abc import Sequence

from tests.system.model import Company, Member, Person, State, Wrong, refusal, same


def create_company(state: State, name: str, tags: Sequence[str], made: str) -> Company:
    """Make a company; a name belongs to one, in any case."""
    for one in state.companies.values():
        if same(one.name) == same(name):
            raise Wrong(("DUPLICATE_NAME", ("name",), one.id))
    for tag in tags:
        state.tags.setdefault(same(tag), tag)
    state.companies[made] = Company(made, name, list(dict.fromkeys(map(same, tags))))
    return state.companies[made]


def members(state: State, company: dict[str, str], persons: Sequence[dict[str, str]]) -> tuple[Company, list[Person]]:
    """Return whom a link is about; one unknown person refuses all of it."""
    meant = state.company(company, "company")
    found = [state.find(by) for by in persons]
    if None in found:
        raise Wrong(*[("PERSON_NOT_FOUND", ("persons", str(i)), None) for i, one in enumerate(found) if one is None])
    return meant, list({one.id: one for one in found if one}.values())


def link(
    state: State, company: dict[str, str], persons: Sequence[dict[str, str]], *, role: str | None, primary: bool
) -> Company:
    """Join a company; the first is the main one until another is told to be, and a role stays until another is told."""
    meant, found = members(state, company, persons)
    for person in found:
        held = person.companies.get(meant.id)
        main = primary or (held.primary if held else not person.companies)
        new = Member(role or (held.role if held else None), main)
        if new == held:
            continue
        if main:
            for one in person.companies.values():
                one.primary = False
        person.companies[meant.id] = new
        person.version += 1
    return meant


def leave(person: Person, company: str) -> None:
    """Take one off; the oldest of the others becomes the main company where that one was."""
    held = person.companies.pop(company, None)
    if held is None:
        return
    if held.primary and person.companies:
        next(iter(person.companies.values())).primary = True
    person.version += 1


def unlink(state: State, company: dict[str, str], persons: Sequence[dict[str, str]]) -> Company:
    """Take some off; who is no member stays none."""
    meant, found = members(state, company, persons)
    for person in found:
        leave(person, meant.id)
    return meant


def delete_company(state: State, by: dict[str, str]) -> list[str]:
    """Remove a company; its persons stay."""
    meant = state.company(by, "by")
    for person in state.persons.values():
        leave(person, meant.id)
    del state.companies[meant.id]
    return [meant.id]


def delete_person(state: State, by: dict[str, str]) -> list[str]:
    """Remove a person; the identifiers are free at once."""
    meant = state.meant(by)
    del state.persons[meant.id]
    return [meant.id]


def create_tag(state: State, name: str) -> dict[str, str]:
    """Make a tag; it is one name in any case."""
    if same(name) in state.tags:
        raise refusal("DUPLICATE_NAME", "name")
    state.tags[same(name)] = name
    return {"name": name}


def delete_tag(state: State, name: str) -> dict[str, str]:
    """Remove a tag, from everybody."""
    if same(name) not in state.tags:
        raise refusal("TAG_NOT_FOUND", "name")
    for tags in [one.tags for one in state.persons.values()] + [one.tags for one in state.companies.values()]:
        tags[:] = [tag for tag in tags if tag != same(name)]
    return {"name": state.tags.pop(same(name))}


def define(state: State, name: str, type_: str) -> dict[str, str]:
    """Make an attribute; it is one name in any case."""
    if same(name) in state.attributes:
        raise refusal("DUPLICATE_NAME", "name")
    state.attributes[same(name)] = name, type_
    return {"name": name, "type": type_}


def undefine(state: State, name: str) -> dict[str, str]:
    """Remove an attribute; its values are gone, and never come back."""
    if same(name) not in state.attributes:
        raise refusal("ATTRIBUTE_NOT_FOUND", "name")
    for person in state.persons.values():
        person.values.pop(same(name), None)
    found, type_ = state.attributes.pop(same(name))
    return {"name": found, "type": type_}
