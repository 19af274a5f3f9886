"""Three ways: whatever both sides had and have, they agree afterwards, and nobody's change is lost unseen."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.sync.crm import CrmRecord
from app.sync.mapping import BOTH, IN, OUT
from app.sync.model import CRM, PROFILE
from app.sync.slots import Slot, fingerprint
from app.sync.weigh import UNLIKE, Inward, Weighed, inward, same, values_of, weigh
from tests.chances import few
from tests.sync.made import STAMP, crm_field, person, slots

# Of each a value that any of the fields can have.
A, B, C = "1234567", "2345678", "3456789"
BROKEN, ELSE = "\x00", "\x01"
FIELDS = ("city", "country", "address", "lastName", "phone", "phone")
WAYS = (IN, OUT, BOTH)
OURS = st.sampled_from([None, A, B, C])
# A CRM may format anew what it has.
THEIRS = st.sampled_from([None, A, B, C, f" {A}", f"{B} ", BROKEN, ELSE])


def mapped(*ways: str) -> list[Slot]:
    """Return slots of these directions; the last two are of one field that holds several values."""
    named = zip(FIELDS, ways, strict=False)
    return slots([(crm_field(f"f{index}"), name, way) for index, (name, way) in enumerate(named)])


def read(pair: Sequence[Slot], theirs: Mapping[str, Any]) -> Inward:
    """Return what a record with these values says."""
    return inward(pair, CrmRecord("1", STAMP, theirs))


def hashed(one: Slot, raw: Any) -> str | None:
    """Return the hash of a value of the CRM."""
    return read([one], {one.name: raw}).hashes[one.name]


@dataclass
class World:
    """A record, a profile, and what was agreed on of them; `newer` tells whose change is the later one, by slot."""

    slots: list[Slot]
    theirs: dict[str, Any]
    ours: dict[str, Any]
    base: dict[str, tuple[str | None, str | None]]
    newer: Mapping[str, bool]
    keep: Mapping[str, str] = field(default_factory=dict)

    def copy(self) -> "World":
        """Return the same, to go another way."""
        return World(self.slots, {**self.theirs}, {**self.ours}, {**self.base}, self.newer, self.keep)

    def pull(self) -> Weighed:
        """Weigh the record, and take what is to be taken."""
        found = read(self.slots, self.theirs)
        made = weigh(self.slots, self.base, found, self.ours, newer=lambda one: self.newer[one.name], keep=self.keep)
        assert made.base.keys() == {one.name for one in self.slots}
        for one in made.take:
            # What is behind the primary value is not shown by its slot.
            if one.first:
                self.ours[one.name] = found.values[one.name]
        self.base, self.keep = {**made.base}, {}
        return made

    def push(self) -> list[str]:
        """Write what the record lacks, unless it is another one by now: then it is weighed first."""
        if not same(self.base, read(self.slots, self.theirs)):
            self.pull()
        written = []
        for one in self.slots:
            own = fingerprint(self.ours[one.name])
            if one.goes and own != self.base[one.name][1]:
                self.theirs[one.name] = self.ours[one.name]
                self.base[one.name] = (own, own)
                written.append(one.name)
        return written

    def state(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return both sides, as they compare."""
        return read(self.slots, self.theirs).hashes, self.ours


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Give any slots, any values, and what two sides may have agreed on before."""
    pair = mapped(*draw(st.tuples(*[st.sampled_from(WAYS)] * len(FIELDS))))
    names = [one.name for one in pair]
    base: dict[str, tuple[str | None, str | None]] = {}
    for one in pair:
        was = draw(THEIRS)
        # Of what both may change they agreed on one value, or ours waits to be written; a broken one stood beside ours.
        free = not one.both or hashed(one, was) == hashed(one, BROKEN) or hashed(one, was) == hashed(one, ELSE)
        own = fingerprint(draw(OURS)) if free else hashed(one, was)
        if draw(st.booleans()):
            base[one.name] = (hashed(one, was), draw(st.sampled_from([own, UNLIKE])) if one.goes else own)
    theirs = {name: draw(THEIRS) for name in names}
    ours = {one.name: draw(OURS) if one.first else None for one in pair}
    keep = draw(st.dictionaries(st.sampled_from(names), st.sampled_from([CRM, PROFILE]), max_size=2))
    return World(pair, theirs, ours, base, {name: draw(st.booleans()) for name in names}, keep)


@few(200)
@given(worlds())
def test_both_sides_agree_afterwards(world: World) -> None:
    """On each slot that both may change; the others follow the side that may, where that side changed something."""
    before = world.copy()
    taken = world.pull().take
    world.push()
    for one in world.slots:
        name, was = one.name, before.base.get(one.name)
        theirs, ours = hashed(one, world.theirs[name]), fingerprint(world.ours[name])
        had, own = hashed(one, before.theirs[name]), fingerprint(before.ours[name])
        came = had != was[0] if was else had is not None
        went = own != was[1] if was else own is not None
        if one.both:
            assert theirs == ours or (had or "").startswith("!")
            assert ours in (had, own)
            assert theirs in (had, own)
        elif one.direction == OUT and one.first:
            assert ours == own
            assert theirs == (own if went else had)
        elif one.first:
            assert theirs == had
            assert ours == (had if came and not (had or "").startswith("!") else own)
        else:
            # Also one that is empty by now: the value that it brought goes.
            assert (one in taken) == (came and one.comes and not (had or "").startswith("!"))
            assert (theirs, ours) == (had, None)


@few(200)
@given(worlds())
def test_nothing_is_left_to_do_afterwards(world: World) -> None:
    """Weighing again changes nothing, tells nothing, writes nothing: our own echo is no change."""
    world.pull()
    world.push()
    before = world.copy()
    made = world.pull()
    assert (made.take, made.troubles, world.push()) == ([], [], [])
    assert world.state() == before.state()
    assert all(world.base[one.name] == before.base[one.name] for one in world.slots if one.first)


@few(200)
@given(worlds(), st.lists(st.sampled_from(["pull", "push"]), max_size=4))
def test_the_order_of_passes_does_not_matter(world: World, passes: list[str]) -> None:
    """Nor how often one of them comes by."""
    other = world.copy()
    world.pull()
    world.push()
    for one in (*passes, "pull", "push"):
        getattr(other, one)()
    assert other.state() == world.state()


@few(200)
@given(worlds())
def test_a_conflict_is_told_exactly_where_there_is_one(world: World) -> None:
    """Both changed one slot since they agreed, to different values, and nobody has ruled; a broken value once."""
    before = world.copy()
    told = {one.slot.name: one for one in world.pull().troubles if one.slot is not None}
    for one in world.slots:
        name, was, trouble = one.name, before.base.get(one.name), told.pop(one.name, None)
        found, own = read([one], before.theirs), fingerprint(before.ours[name])
        had = found.hashes[name]
        came, went = had != (was or (None,))[0], was is not None and own != was[1]
        if found.broken:
            assert (trouble is not None) == (came and one.comes)
            assert trouble is None or trouble.message == found.broken[name]
        elif came and went and one.both and had != own and name not in before.keep:
            assert trouble is not None
            assert (trouble.theirs, trouble.ours) == (found.values[name], before.ours[name])
            assert ("was taken" in trouble.message) == before.newer[name]
        else:
            assert trouble is None
    assert told == {}


@few(200)
@given(worlds())
def test_what_was_ruled_holds(world: World) -> None:
    """Whoever is the later one; as long as it is a value at all."""
    before = world.copy()
    world.pull()
    world.push()
    for one in world.slots:
        found = read([one], before.theirs)
        theirs, ours = found.values.get(one.name), before.ours[one.name]
        if one.both and before.keep.get(one.name) == PROFILE:
            assert (read([one], world.theirs).values[one.name], world.ours[one.name]) == (ours, ours)
        elif one.both and before.keep.get(one.name) == CRM and not found.broken:
            assert (read([one], world.theirs).values[one.name], world.ours[one.name]) == (theirs, theirs)


@st.composite
def edits(draw: st.DrawFn) -> list[tuple[str, int, Any]]:
    """Give what both sides and the passes do, one behind the other."""
    kinds = st.sampled_from(["theirs", "ours", "pull", "push"])
    values = st.sampled_from([None, A, B, C])
    return draw(st.lists(st.tuples(kinds, st.integers(0, 1), values), max_size=12))


@few(200)
@given(edits())
def test_the_later_change_wins_however_passes_fall_between(steps: list[tuple[str, int, Any]]) -> None:
    """Of two fields that both sides change, by a clock that both share; what was undone before a pass never was."""
    pair = mapped(BOTH, BOTH)
    at = {(side, one.name): -1 for side in ("theirs", "ours") for one in pair}
    world = World(pair, dict.fromkeys(("f0", "f1")), dict.fromkeys(("f0", "f1")), {}, {"f0": True, "f1": True})
    world.pull()
    for moment, (kind, index, value) in enumerate((*steps, ("pull", 0, None), ("push", 0, None))):
        name = pair[index].name
        if kind in ("theirs", "ours"):
            getattr(world, kind)[name] = value
            at[kind, name] = moment
        else:
            world.newer = {one.name: at["theirs", one.name] >= at["ours", one.name] for one in pair}
            expected = _later(world, at)
            getattr(world, kind)()
            assert expected.items() <= world.ours.items()
    assert world.theirs == world.ours


def _later(world: World, at: Mapping[tuple[str, str], int]) -> dict[str, Any]:
    """Return the values that are to be there after the next passes, of slots that differ."""
    expected = {}
    for one in world.slots:
        name = one.name
        came = hashed(one, world.theirs[name]) != world.base[name][0]
        went = fingerprint(world.ours[name]) != world.base[name][1]
        later = at["theirs", name] >= at["ours", name]
        if came or went:
            expected[name] = world.theirs[name] if came and (later or not went) else world.ours[name]
    return expected


# ------------------------------------------------------------ the table, one line each

MET = None
TABLE: list[tuple[str, tuple[Any, Any] | None, Any, Any, bool, tuple[Any, Any], str]] = [
    # way, both had, theirs, ours, theirs is later → theirs, ours, told
    *((way, MET, None, None, True, (None, None), "") for way in WAYS),
    *((way, MET, A, A, True, (A, A), "") for way in WAYS),
    *((BOTH, MET, A, None, later, (A, A), "") for later in (True, False)),
    *((BOTH, MET, None, A, later, (A, A), "") for later in (True, False)),
    *((BOTH, MET, A, B, later, (A, A), "") for later in (True, False)),
    *((IN, MET, A, B, True, (A, A), ""), (IN, MET, None, B, True, (None, B), "")),
    *((OUT, MET, A, B, True, (B, B), ""), (OUT, MET, A, None, True, (A, None), "")),
    *((way, (A, A), A, A, True, (A, A), "") for way in WAYS),
    *((BOTH, (A, A), B, A, later, (B, B), "") for later in (True, False)),
    *((BOTH, (A, A), A, B, later, (B, B), "") for later in (True, False)),
    *((BOTH, (A, A), None, A, True, (None, None), ""), (BOTH, (A, A), A, None, True, (None, None), "")),
    *((BOTH, (A, A), B, B, later, (B, B), "") for later in (True, False)),
    (BOTH, (A, A), B, C, True, (B, B), "city was changed on both sides. The CRM's is later, and was taken."),
    (BOTH, (A, A), B, C, False, (C, C), "city was changed on both sides. Ours is later, and goes to the CRM."),
    (BOTH, (A, A), None, C, False, (C, C), "city was changed on both sides. Ours is later, and goes to the CRM."),
    *(
        (IN, (A, A), B, C, False, (B, B), ""),
        (IN, (A, A), A, C, True, (A, C), ""),
        (IN, (A, A), None, A, True, (None, None), ""),
    ),
    *(
        (OUT, (A, A), B, C, True, (C, C), ""),
        (OUT, (A, A), B, A, True, (B, A), ""),
        (OUT, (A, A), A, None, True, (None, None), ""),
    ),
    (BOTH, MET, BROKEN, A, True, (BROKEN, A), "A text can't contain the control character U+0000."),
    (BOTH, (A, A), BROKEN, A, True, (BROKEN, A), "A text can't contain the control character U+0000."),
    (BOTH, (A, A), BROKEN, B, True, (BROKEN, B), "A text can't contain the control character U+0000."),
    (BOTH, (A, A), BROKEN, B, False, (B, B), "A text can't contain the control character U+0000."),
    (BOTH, (BROKEN, A), BROKEN, A, True, (BROKEN, A), ""),
    (BOTH, (BROKEN, A), BROKEN, B, True, (B, B), ""),
    (BOTH, (BROKEN, A), ELSE, A, True, (ELSE, A), "A text can't contain the control character U+0001."),
    (BOTH, (BROKEN, A), B, A, True, (B, B), ""),
    (IN, (BROKEN, A), BROKEN, B, False, (BROKEN, B), ""),
    (OUT, MET, BROKEN, B, True, (B, B), ""),
    (OUT, (A, A), BROKEN, A, True, (BROKEN, A), ""),
]


@pytest.mark.parametrize(("way", "had", "theirs", "ours", "later", "after", "told"), TABLE)
def test_each_case_has_its_end(  # noqa: PLR0913 - the columns of the table
    way: str,
    had: tuple[Any, Any] | None,
    theirs: Any,
    ours: Any,
    *,
    later: bool,
    after: tuple[Any, Any],
    told: str,
) -> None:
    """A profile and a record that met before or not, with one slot."""
    (one,) = mapped(way)
    base = {one.name: (hashed(one, had[0]), fingerprint(had[1]))} if had else {}
    world = World([one], {one.name: theirs}, {one.name: ours}, base, {one.name: later})
    made = world.pull()
    world.push()
    assert (world.theirs[one.name], world.ours[one.name]) == after
    assert [each.message for each in made.troubles] == ([told] if told else [])


@pytest.mark.parametrize(("keep", "after"), [(CRM, (B, B)), (PROFILE, (C, C))])
@pytest.mark.parametrize("later", [True, False])
def test_a_ruling_ends_a_conflict(keep: str, after: tuple[str, str], *, later: bool) -> None:
    """Without another word about it."""
    (one,) = mapped(BOTH)
    base = {"f0": (fingerprint(A), fingerprint(A))}
    world = World([one], {"f0": B}, {"f0": C}, base, {"f0": later}, {"f0": keep})
    assert world.pull().troubles == []
    world.push()
    assert (world.theirs["f0"], world.ours["f0"]) == after


def test_a_value_of_ours_may_be_ruled_to_replace_a_broken_one() -> None:
    """And a broken one can't be ruled in."""
    (one,) = mapped(BOTH)
    for keep, theirs in ((PROFILE, A), (CRM, BROKEN)):
        base = {"f0": (hashed(one, BROKEN), fingerprint(A))}
        world = World([one], {"f0": BROKEN}, {"f0": A}, base, {"f0": True}, {"f0": keep})
        world.pull()
        world.push()
        assert (world.theirs["f0"], world.ours["f0"]) == (theirs, A)


def test_what_is_broken_is_told_apart() -> None:
    """So that it is told once, and again when it is another value."""
    (one,) = slots([(crm_field("f"), "email", IN)])
    hashes = [inward([one], CrmRecord("1", STAMP, {"f": raw})).hashes["f"] for raw in ("ann", "bob", "ann")]
    assert hashes[0] == hashes[2] != hashes[1]


def test_a_record_is_read_field_by_field() -> None:
    """An absent one is none, and a broken one leaves the rest as it is; its company counts."""
    pair = slots([(crm_field("a"), "lastName", BOTH), (crm_field("b"), "email", BOTH)])
    found = inward(pair, CrmRecord("1", STAMP, {"b": "no email", "c": "unasked"}, account="001"))
    assert found.values == {"a": None}
    assert found.broken == {"b": "This is not an email address."}
    assert found.hashes == {"a": None, "b": found.hashes["b"], "@account": fingerprint("001")}


def test_a_record_is_the_same_where_all_of_it_is() -> None:
    """Also its company; one that was never looked at is not."""
    pair = mapped(BOTH, IN)
    found = read(pair, {"f0": A, "f1": f" {B}"})
    base: dict[str, Sequence[str | None]] = {"f0": (fingerprint(A), UNLIKE), "f1": [fingerprint(B), None]}
    assert same(base, found)
    assert not same({}, found)
    assert not same({"f0": base["f0"]}, found)
    assert not same({**base, "f1": (fingerprint(A), None)}, found)
    found.hashes["@account"] = fingerprint("001")
    assert not same(base, found)
    assert same({**base, "@account": (fingerprint("001"), None)}, found)


def test_what_we_have_is_told_by_slot() -> None:
    """None where the profile has nothing."""
    pair = mapped(BOTH, BOTH, IN, OUT, BOTH, BOTH)
    assert values_of(pair, person(city="Wien", phones=(A, B))) == {
        **dict.fromkeys(("f1", "f2", "f3", "f5")),
        "f0": "Wien",
        "f4": B,
    }
