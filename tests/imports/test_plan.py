"""Files made by chance on those who are there: any size of chunks, dry or in earnest, and back again."""

import asyncio
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.claims.model import Locator
from app.companies.model import sought
from app.companies.wish import Given as CompanyGiven
from app.imports import book, job, reader
from app.imports.model import CHECKED, COMPANY, PERSON, REVERTED, REWRITE, SKIP, Import
from app.persons.model import CUSTOMER, LEAD
from tests.chances import few
from tests.imports.running import STAMPS, Place, place, written
from tests.make import ACTOR
from tests.make import given as person

MORE = int(os.environ.get("IMPORT_EXAMPLES", "0"))
# Rows of a unit; with one number the ledger has a document for each entry, with the other long rows end a unit early.
SIZES = (1, 2, 3, 499, 500)
APART, SHORT = 3, 499
# Few of each, so that rows meet each other, and those who are there.
KEYS = ("", "x1", "x2", "x3")
ADDRESSES = tuple(f"{one}@b.example" for one in "abcde")
NUMBERS = ("", "385911000001", "385911000002", "385911000003")
DOMAINS = ("", "a.example", "b.example", "c.example", "a.example;d.example")
NAMES = ("", "Acme", "acme", "Bolt", "Cord")
LEVELS = ("", "1", "2", "two")


def one_of(values: Sequence[str]) -> st.SearchStrategy[str]:
    """Choose a cell."""
    return st.sampled_from(values)


emails = st.one_of(st.just(""), st.lists(one_of(ADDRESSES), min_size=1, max_size=2, unique=True).map(";".join))
tags = one_of(("", "vip", "kept;vip"))
ROWS = {
    PERSON: st.tuples(
        one_of(KEYS),
        st.one_of(emails, emails, emails, st.just("nobody")),
        one_of(NUMBERS),
        one_of(("", "Ann", "Bob")),
        one_of(("", "Graz")),
        one_of(LEVELS),
        tags,
    ),
    COMPANY: st.tuples(one_of(KEYS), one_of(NAMES), one_of(DOMAINS), one_of(("", "Croatia")), one_of(LEVELS), tags),
}
THERE = {
    PERSON: st.fixed_dictionaries(
        {
            "type_": st.sampled_from((LEAD, CUSTOMER)),
            "emails": st.lists(one_of(ADDRESSES), min_size=1, max_size=2, unique=True),
        },
        optional={
            "phones": st.lists(one_of(NUMBERS[1:]), min_size=1, max_size=1),
            "external_id": one_of(KEYS[1:]),
            "first_name": one_of(("Ann", "Cid")),
            "attributes": st.just({"level": 1}),
            "tags": st.just(["kept"]),
        },
    ),
    COMPANY: st.fixed_dictionaries(
        {"name": one_of(NAMES[1:])},
        optional={
            "external_id": one_of(KEYS[1:]),
            "domains": st.lists(one_of(DOMAINS[1:4]), min_size=1, max_size=1),
            "country": st.just("Austria"),
            "tags": st.just(["kept"]),
        },
    ),
}


@dataclass(frozen=True, slots=True)
class Case:
    """A file, who is there before, and how it is imported."""

    target: str
    type: str | None
    duplicates: str
    there: Sequence[dict[str, Any]]
    rows: Sequence[Sequence[str]]

    @property
    def text(self) -> str:
        """The file."""
        # The first row is one that any mapping takes: that a column has a sample at all is not asked here.
        sound = {
            PERSON: ("x0", "z@b.example", "385911000000", "Zoe", "Wien", "1", "vip"),
            COMPANY: ("x0", "Zinc", "z.example", "Chile", "1", "vip"),
        }
        return written(self.target, [sound[self.target], *self.rows])

    async def begun(self) -> tuple[Place, Import]:
        """Open a place with all who are there, and the import mapped."""
        here = await place()
        await here.there(self.target, self.there)
        return here, await here.mapped(self.text, self.target, self.type, self.duplicates)


def cases(*targets: str) -> st.SearchStrategy[Case]:
    """Make cases."""

    def of(target: str) -> st.SearchStrategy[Case]:
        types = st.sampled_from((LEAD, CUSTOMER, None)) if target == PERSON else st.none()
        # Empty rows are passed over.
        rows = st.lists(ROWS[target].filter(any), min_size=1, max_size=12)
        there = st.lists(THERE[target], max_size=4)
        return st.builds(Case, st.just(target), types, st.sampled_from((SKIP, REWRITE, REWRITE)), there, rows)

    return st.sampled_from(targets or (PERSON, PERSON, COMPANY)).flatmap(of)


@contextmanager
def in_chunks(size: int) -> Iterator[None]:
    """Have imports go on by so many rows."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(job, "CHUNK_ROWS", size)
        if size == APART:
            patch.setattr(book, "LEDGER_BYTES", 1)
        if size == SHORT:
            patch.setattr(reader, "PART_CHARACTERS", 40)
        yield


@few(25, more=MORE)
@given(cases())
def test_any_size_of_chunks_brings_the_same(case: Case) -> None:
    """G a file W it is imported by 1, 2, 3 or 500 rows at a time T profiles, counts and failed rows are the same."""

    async def work() -> Any:
        here, one = await case.begun()
        done = await here.ran(one)
        here.check_counts()
        assert done.counts.processed == done.counts.rows == len(case.rows) + 1
        assert await here.findings() == []
        return done.state, done.counts, await here.troubles(done), await here.people(case.target)

    found = []
    for size in SIZES:
        with in_chunks(size):
            found.append(asyncio.run(work()))
    assert found[1:] == found[:-1]


@few(40, more=MORE)
@given(cases(), st.sampled_from(SIZES), st.sampled_from(SIZES))
def test_a_dry_run_tells_what_will_be(case: Case, dry_size: int, size: int) -> None:
    """W it runs dry, then in earnest T counts and failed rows are the same, and the dry run has written nothing."""

    async def work() -> None:
        here, one = await case.begun()
        before = await here.profiles(case.target), await here.claims()
        with in_chunks(dry_size):
            dry = await here.rehearsed(one)
        assert (dry.state, dry.keeps) == (CHECKED, False)
        assert (await here.profiles(case.target), await here.claims()) == before
        told = await here.troubles(dry)
        with in_chunks(size):
            done = await here.ran(dry)
        here.check_counts()
        assert (done.counts, await here.troubles(done)) == (dry.counts, told)

    asyncio.run(work())


@few(40, more=MORE)
@given(cases(), st.sampled_from(SIZES))
def test_an_undo_brings_back_what_was(case: Case, size: int) -> None:
    """W an import is taken back and nobody has touched anything T all is as before, and nothing is kept."""

    async def work() -> None:
        here, one = await case.begun()
        before = await here.profiles(case.target, *STAMPS), await here.claims()
        with in_chunks(size):
            done = await here.ran(one)
        assert done.keeps
        back = await here.reverted(done)
        assert back.undo is not None
        assert (back.state, back.undo.kept) == (REVERTED, 0), await here.troubles(back)
        assert back.undo.deleted == done.counts.created
        assert (await here.profiles(case.target, *STAMPS), await here.claims()) == before
        assert await here.findings() == []

    asyncio.run(work())


# Which field others write, and what; no file has it.
OTHERS = {PERSON: ("first_name", "firstName", "Eve"), COMPANY: ("country", "country", "Norway")}


async def touched(here: Place, target: str, profile_id: str) -> None:
    """Have somebody else write a field of a profile by the API."""
    name, _, value = OTHERS[target]
    if target == PERSON:
        await here.rooms.persons.update(ACTOR, Locator("id", profile_id), person(**{name: value}))
    else:
        await here.companies.update(ACTOR, sought("id", profile_id), CompanyGiven({name: value}))


async def deleted(here: Place, target: str, profile_id: str) -> None:
    """Have somebody else delete a profile."""
    found = await here.companies.get(ACTOR.account, profile_id)
    if target == PERSON:
        await here.rooms.persons.delete(ACTOR, Locator("id", profile_id))
    elif found is not None:
        await here.companies.delete(ACTOR, found)


@few(40, more=MORE)
@given(cases(), st.sampled_from(SIZES), st.lists(st.booleans(), min_size=16, max_size=16), st.integers(0, 15))
def test_an_undo_leaves_what_others_changed(case: Case, size: int, whom: list[bool], victim: int) -> None:
    """W others write or delete some T that stays, the rest is back, and the rows that were kept are named."""
    field, name, value = OTHERS[case.target]

    async def work() -> None:
        here, one = await case.begun()
        before = await here.profiles(case.target, *STAMPS)
        with in_chunks(size):
            done = await here.ran(one)
        after = await here.profiles(case.target, *STAMPS)
        theirs = [each for each, chosen in zip(sorted(after), whom, strict=False) if chosen]
        for each in theirs:
            await touched(here, case.target, each)
        gone = sorted(after)[victim : victim + 1]
        for each in gone:
            await deleted(here, case.target, each)
        back = await here.reverted(done)
        assert back.undo is not None
        found = await here.profiles(case.target, *STAMPS)
        stays = {each: {**profile, field: value} if each in theirs else profile for each, profile in before.items()}
        made = {each for each in theirs if each not in before}
        assert {each: found[each] for each in found if each not in made} == {
            each: profile for each, profile in stays.items() if each not in gone
        }
        assert made - {*gone} == found.keys() - before.keys()
        assert all(found[each][field] == value for each in made - {*gone})
        await check_kept(here, back, {each: await here.lines(back, each) for each in (*theirs, *gone)})
        wrote = {each for each in theirs if each in before and before[each][field] != after[each][field]}
        for each in wrote - {*gone}:
            assert f"kept: {name} changed since" in await here.kept(back, each)
        for each in made - {*gone}:
            assert "kept: it was changed since by API" in await here.kept(back, each)
        for each in gone:
            lines = await here.lines(back, each)
            assert await here.kept(back, each) == ["kept: it was deleted since"] * len(lines)
        assert await here.findings() == []

    asyncio.run(work())


async def check_kept(here: Place, back: Import, lines: dict[str, list[int]]) -> None:
    """Check that only rows of those whom others touched were kept, each once."""
    kept = [row for row, _, message, _ in await here.troubles(back) if message.startswith("kept: ")]
    assert back.undo is not None
    assert back.undo.kept == len(kept) == len({*kept})
    assert {*kept} <= {line for each in lines.values() for line in each}


async def test_a_name_that_a_row_lets_go_is_free_in_a_dry_run_as_well() -> None:
    """G a row that renames a company W a later chunk names it as before T both runs make another one of it."""
    there = [{"name": "Bolt", "domains": ["c.example"]}]
    rows = [("", "Acme", "c.example", "", "", ""), ("", "Bolt", "", "", "", "")]
    here, one = await Case(COMPANY, None, REWRITE, there, rows).begun()
    with in_chunks(1):
        dry = await here.rehearsed(one)
        done = await here.ran(dry)
    assert (done.counts.created, done.counts.updated) == (2, 1)
    assert dry.counts == done.counts


async def test_whoever_wrote_is_named_for_each_row_of_whom_the_import_made() -> None:
    """G somebody made by one row, changed by the next, then by the API W it is taken back T the API is named twice."""
    rows = [("", "", NUMBERS[1], "", "", "", ""), ("", "", NUMBERS[1], "", "", "1", "")]
    here, one = await Case(PERSON, LEAD, REWRITE, [], rows).begun()
    done = await here.ran(one)
    (made,) = [each for each, found in (await here.profiles(PERSON)).items() if found["external_id"] is None]
    await touched(here, PERSON, made)
    before = (await here.profiles(PERSON))[made]
    back = await here.reverted(done)
    assert (await here.profiles(PERSON))[made] == before
    assert await here.kept(back, made) == ["kept: it was changed since by API"] * 2
