"""Programs of changes, each step at one of two processes, against the rules as a model in memory.

After each step the answer is the model's, the other process shows all that the model holds, and the audit finds
nothing. MACHINE_EXAMPLES=500 runs that many programs of fresh chance instead of the few that are always the same.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from app.claims.audit import Finding
from tests.mongo.real import RealMongo
from tests.system import model, modelled, programs
from tests.system.chances import MORE, chances
from tests.system.model import Error, State, Wrong, attempt
from tests.system.pair import Pair, opened

T = TypeVar("T")

PROGRAMS, STEPS = 4, 50
STEP_SECONDS = 30.0
NOBODY = "per_00000000000000000000000000"


def _numbered(one: dict[str, Any], present: list[str], ever: list[str]) -> dict[str, Any]:
    """Put an id in place of a number."""
    number = one.get("id")
    if number is None:
        return one
    pool = present if number < programs.PRESENT and present else ever
    return {"id": pool[number % len(pool)] if pool else NOBODY}


class Machine(RuleBasedStateMachine):
    """One program; it runs on a thread, and what waits runs on the loop of the test."""

    def __init__(self, pair: Pair, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._pair = pair
        self._loop = loop
        self.state = State()
        self._at = 0
        self._ever: list[str] = []
        self._companies: list[str] = []
        self._versions: dict[str, int] = {}
        self._told: set[str] = set()
        # Who is told at some time of what was deleted for all, by persons and types of events.
        self._owed: set[tuple[str, str]] = set()

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(STEP_SECONDS)

    def _ask(self, at: int, query: str, **variables: Any) -> dict[str, Any]:
        self._at = at
        answer: dict[str, Any] = self._run(self._pair.ask(at, query, **variables))
        return answer

    def _expected(self, payload: dict[str, Any], verb: Callable[..., T], *args: Any, **options: Any) -> T | None:
        """Do it in the model; the payload has the same errors. Returns what the model returns."""
        wanted: Sequence[Error] = ()
        result: T | None = None
        try:
            result = attempt(self.state, verb, *args, **options)
        except Wrong as wrong:
            wanted = wrong.errors
        assert programs.errors(payload) == sorted(wanted, key=repr)
        return result

    def _person(self, payload: dict[str, Any], verb: Callable[..., model.Person], *args: Any) -> None:
        person = self._expected(payload, verb, *args)
        assert programs.seen(payload["person"]) == (self.state.view(self.state.persons[person.id]) if person else None)

    def _company(self, payload: dict[str, Any], verb: Callable[..., model.Company], *args: Any, **options: Any) -> None:
        found = self._expected(payload, verb, *args, **options)
        assert payload["company"] == (self._shown(found) if found else None)

    def _shown(self, company: model.Company) -> dict[str, Any]:
        tags = [self.state.tags[tag] for tag in company.tags]
        return {"id": company.id, "name": company.name, "tags": tags}

    def _whom(self, who: dict[str, Any]) -> dict[str, Any]:
        return _numbered(who, list(self.state.persons), self._ever)

    def _which(self, which: dict[str, Any]) -> dict[str, Any]:
        return _numbered(which, list(self.state.companies), self._companies)

    @initialize()
    def begin(self) -> None:
        """Give each program an account of its own with something in it; what others held is gone."""
        self._run(self._pair.cleared())
        self._run(self._pair.account())
        self.define(0, ("size", "INTEGER"))
        self.define(1, ("note", "STRING"))
        self.found(0, "Acme", ["VIP"])
        self.found(1, "Beta", [])
        self.upsert(0, programs.FIRST, full=False, atomic=False)

    @rule(at=programs.PROCESS, step=programs.steps())
    def do(self, at: int, step: programs.Step) -> None:
        """Do one thing at one process."""
        name, given = step
        getattr(self, name)(at, **given)

    # ------------------------------------------------------------ persons

    def create(self, at: int, given: dict[str, Any]) -> None:
        """Make one."""
        payload = self._ask(at, programs.CREATE, input=given)
        self._person(payload, model.create, given, (payload["person"] or {}).get("id"))

    def update(self, at: int, who: dict[str, Any], given: dict[str, Any], off: int | None) -> None:
        """Change one, of a version or of any."""
        by = self._whom(who)
        held = self.state.find(by)
        version = None if off is None else off + (held.version if held else 1)
        payload = self._ask(at, programs.UPDATE, by=by, input=given, version=version)
        self._person(payload, model.update, by, given, version)

    def replace(self, at: int, who: dict[str, Any], given: dict[str, Any]) -> None:
        """Overwrite one."""
        by = self._whom(who)
        self._person(self._ask(at, programs.REPLACE, by=by, input=given), model.replace, by, given)

    def delete(self, at: int, who: dict[str, Any]) -> None:
        """Delete one."""
        by = self._whom(who)
        payload = self._ask(at, programs.DELETE, by=by)
        assert payload["deletedIds"] == (self._expected(payload, modelled.delete_person, by) or [])

    def upsert(self, at: int, rows: list[dict[str, Any]], *, full: bool, atomic: bool) -> None:
        """Make or change several."""
        payload = self._ask(at, programs.UPSERT, rows=rows, replace=full, atomic=atomic)
        made = [(one["person"] or {}).get("id") for one in payload["results"]]
        wanted = self._expected(payload, model.upsert_all, rows, made, full=full, atomic=atomic) or []
        results = payload["results"]
        refused = [sorted(programs.errors(one), key=repr) for one in results]
        found = [(one["status"], programs.seen(one["person"]), why) for one, why in zip(results, refused, strict=True)]
        assert found == [(status, person, self._owned(errors)) for status, person, errors in wanted]

    def _owned(self, errors: Sequence[Error]) -> list[Error]:
        """Return errors without the owners that an atomic call would have made: they never were."""
        named = [(code, path, owner if owner in self.state.persons else None) for code, path, owner in errors]
        return sorted(named, key=repr)

    def tag(self, at: int, whom: list[dict[str, Any]], change: dict[str, list[str]]) -> None:
        """Tag several by their ids, some of which nobody has."""
        found = [self.state.find(self._whom(who)) for who in whom]
        ids = [one.id if one else NOBODY for one in found]
        self._tagged(self._ask(at, programs.TAG, ids=ids, **change), ids, change)

    def tag_found(self, at: int, name: str, change: dict[str, list[str]]) -> None:
        """Tag all who have a tag, of their own or by a company."""
        tag = model.same(name)
        members = {one.id for one in self.state.companies.values() if tag in one.tags}
        people = self.state.persons.values()
        ids = [one.id for one in people if tag in one.tags or members & one.companies.keys()]
        self._tagged(self._ask(at, programs.TAG, filter={"tags": {"has": name}}, **change), ids, change)

    def _tagged(self, payload: dict[str, Any], ids: list[str], change: dict[str, list[str]]) -> None:
        changed, errors = model.tag_many(self.state, ids, change, "ids")
        assert (payload["changed"], programs.errors(payload)) == (changed, sorted(errors, key=repr))

    # ------------------------------------------------------------ tags and attributes

    def create_tag(self, at: int, name: str) -> None:
        """Make a tag."""
        payload = self._ask(at, programs.CREATE_TAG, name=name)
        assert payload["tag"] == self._expected(payload, modelled.create_tag, name)

    def delete_tag(self, at: int, name: str) -> None:
        """Delete a tag."""
        tagged = [one.id for one in self.state.persons.values() if model.same(name) in one.tags]
        self._owed |= {(one, "tagRemoved") for one in tagged}
        heirs = {one.id for one in self.state.companies.values() if model.same(name) in one.tags}
        members = [one.id for one in self.state.persons.values() if heirs & one.companies.keys()]
        self._owed |= {(one, "personUpdated") for one in members}
        payload = self._ask(at, programs.DELETE_TAG, name=name)
        assert payload["tag"] == self._expected(payload, modelled.delete_tag, name)

    def define(self, at: int, wanted: tuple[str, str]) -> None:
        """Define an attribute."""
        name, kind = wanted
        payload = self._ask(at, programs.DEFINE, name=name, type=kind)
        assert payload["attribute"] == self._expected(payload, modelled.define, name, kind)

    def undefine(self, at: int, name: str) -> None:
        """Delete an attribute."""
        valued = [one.id for one in self.state.persons.values() if model.same(name) in one.values]
        self._owed |= {(one, "personUpdated") for one in valued}
        payload = self._ask(at, programs.UNDEFINE, name=name)
        assert payload["attribute"] == self._expected(payload, modelled.undefine, name)

    # ------------------------------------------------------------ companies

    def found(self, at: int, name: str, tags: list[str]) -> None:
        """Make a company."""
        payload = self._ask(at, programs.FOUND, name=name, tags=tags)
        self._company(payload, modelled.create_company, name, tags, (payload["company"] or {}).get("id"))
        if payload["company"]:
            self._companies.append(payload["company"]["id"])

    def link(self, at: int, which: dict[str, Any], whom: list[dict[str, Any]], role: str | None, *, main: bool) -> None:
        """Make some members."""
        company, persons = self._which(which), [self._whom(one) for one in whom]
        payload = self._ask(at, programs.LINK, company=company, persons=persons, role=role, primary=main)
        self._company(payload, modelled.link, company, persons, role=role, primary=main)

    def unlink(self, at: int, which: dict[str, Any], whom: list[dict[str, Any]]) -> None:
        """Take some off."""
        company, persons = self._which(which), [self._whom(one) for one in whom]
        payload = self._ask(at, programs.UNLINK, company=company, persons=persons)
        self._company(payload, modelled.unlink, company, persons)

    def dissolve(self, at: int, which: dict[str, Any]) -> None:
        """Delete a company."""
        by = self._which(which)
        payload = self._ask(at, programs.DISSOLVE, by=by)
        assert payload["deletedIds"] == (self._expected(payload, modelled.delete_company, by) or [])

    # ------------------------------------------------------------ after each step

    @invariant()
    def both_processes_and_the_audit_agree(self) -> None:
        """Show all that the model holds at the other process, each change with its event; the audit finds nothing."""
        if not self._pair.key:
            return
        shown, findings = self._run(self._looked())
        assert "errors" not in shown, shown
        self._same(shown["data"])
        assert findings == []

    async def _looked(self) -> tuple[dict[str, Any], list[Finding]]:
        shown = self._pair.answer(1 - self._at, programs.STATE, {"by": programs.IDENTIFIERS})
        found: tuple[dict[str, Any], list[Finding]] = await asyncio.gather(shown, self._pair.findings())
        return found

    def _same(self, shown: dict[str, Any]) -> None:
        state, people = self.state, list(self.state.persons.values())
        found = {one["id"]: programs.seen(one) for one in shown["persons"]["nodes"]}
        assert found == {one.id: state.view(one) for one in people}
        assert shown["persons"]["totalCount"] == len(people)
        owners = [state.find(by) for by in programs.IDENTIFIERS]
        assert shown["matchPersons"] == [one.id if one else None for one in owners]
        assert programs.by_name(shown["tags"]["nodes"]) == programs.by_name(self._tags())
        wanted = [{"name": name, "type": kind} for name, kind in state.attributes.values()]
        assert programs.by_name(shown["attributeDefinitions"]) == programs.by_name(wanted)
        companies = {one.pop("id"): one for one in shown["companies"]["nodes"]}
        assert companies.keys() == state.companies.keys()
        for one in state.companies.values():
            members = {person.id for person in people if one.id in person.companies}
            inside = companies[one.id].pop("persons")
            assert ({node["id"] for node in inside["nodes"]}, inside["totalCount"]) == (members, len(members))
            assert {"id": one.id, **companies[one.id]} == self._shown(one)
        self._events(shown["activity"]["nodes"])

    def _tags(self) -> list[dict[str, Any]]:
        people, companies = self.state.persons.values(), self.state.companies.values()
        return [
            {
                "name": name,
                "persons": sum(tag in one.tags for one in people),
                "companies": sum(tag in one.tags for one in companies),
            }
            for tag, name in self.state.tags.items()
        ]

    def _events(self, shown: list[dict[str, Any]]) -> None:
        """Whoever changed since the last look has news, and nobody else but who is owed them."""
        now = {one.id: one.version for one in self.state.persons.values()}
        self._ever += [one for one in now if one not in self._ever]
        touched = {one for one, version in now.items() if self._versions.get(one) != version}
        fresh = [one for one in shown if one["id"] not in self._told]
        news = {(one["person"]["id"], one["type"]) for one in fresh if one["person"]}
        told = {person for person, _ in news}
        assert {person for person, _ in news - self._owed} <= touched <= told
        self._versions = now
        self._told |= {one["id"] for one in fresh}


@pytest.mark.timeout(0 if MORE else 240)
async def test_two_processes_keep_the_rules_whatever_is_done(mongo: RealMongo, tmp_path: Path) -> None:
    """Whatever is done at either process, both are as the rules say, and the command finds nothing wrong."""
    async with opened(mongo, tmp_path) as pair:
        begin: Any = partial(Machine, pair, asyncio.get_running_loop())
        await asyncio.to_thread(run_state_machine_as_test, begin, settings=chances(PROGRAMS, STEPS))
        assert await asyncio.to_thread(pair.check, tmp_path) == "Nothing is wrong.\n"
