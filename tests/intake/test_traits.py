"""What is kept of a visitor comes back as it was said, without what a browser never decides."""

from datetime import datetime

import pytest

from app.catalog.checks import Listing
from app.catalog.model import PERSON, AttributeDefinition, Catalog
from app.core.errors import Refusals, Refused
from app.intake import traits
from app.intake.traits import TRAITS_BYTES_MAX
from app.persons.wish import Given

NOW = datetime(2026, 5, 4)  # noqa: DTZ001 - naive UTC is the house's time
SIZE = AttributeDefinition("att_1", PERSON, "si$e.x", "STRING", NOW)


def catalog(*known: AttributeDefinition) -> Catalog:
    """Make a catalog with some attributes."""
    made = Catalog("acc_1")
    for one in known:
        made.add(one)
    return made


def test_what_is_kept_is_read_again() -> None:
    """Scalars and attributes by their names, whatever characters these have; identifiers are no part of it."""
    emails: Listing[tuple[str, bool | None]] = Listing(None, [("A@b.example", None)])
    said = {"first_name": "Ana", "external_id": "crm-1"}
    given = Given(scalars=said, emails=emails, attributes={"si$e.x": "M"}, nested=True)
    wish = traits.recalled(traits.written(given), catalog(SIZE))
    assert (wish.scalars, wish.attributes) == ({"first_name": "Ana"}, {"att_1": "M"})
    assert (wish.emails, "crm-1" in traits.written(given)) == (None, False)


def test_the_newer_word_counts() -> None:
    """Of two that were kept."""
    first = traits.written(Given(scalars={"city": "Graz", "country": "AT"}))
    second = traits.written(Given(scalars={"city": "Wien"}))
    both = traits.read(traits.merged(first, second))
    assert both.scalars == {"city": "Wien", "country": "AT"}


def test_what_is_no_longer_good_is_left_out() -> None:
    """An attribute that was deleted meanwhile takes nothing else with it."""
    kept = traits.written(Given(scalars={"first_name": "Ana"}, attributes={"gone": 1, "si$e.x": "M"}))
    wish = traits.recalled(kept, catalog(SIZE))
    assert (wish.scalars, wish.attributes) == ({"first_name": "Ana"}, {"att_1": "M"})


def test_what_a_browser_never_decides() -> None:
    """A type is refused, tags are passed over, and what can't be is refused with its place under the traits."""
    with pytest.raises(Refused) as refused:
        traits.plain(Given(type="LEAD"))
    assert (refused.value.code, refused.value.path) == ("WEB_SDK_RESTRICTED", ("traits", "type"))
    assert traits.plain(Given(tags=Listing(["x"]))).tags is None
    with pytest.raises(Refusals) as bad:
        traits.checked(Given(scalars={"city": "x" * 51}), catalog())
    assert [(one.code, one.path) for one in bad.value.refusals] == [("TOO_LONG", ("traits", "city"))]


def test_what_is_kept_is_bounded() -> None:
    """However often something is said."""
    half = traits.written(Given(attributes={"a": "x" * (TRAITS_BYTES_MAX // 2)}))
    more = traits.written(Given(attributes={"b": "x" * (TRAITS_BYTES_MAX // 2)}))
    assert traits.merged(half, half) == half
    with pytest.raises(Refused) as refused:
        traits.merged(half, more)
    assert refused.value.code == "TOO_LONG"
