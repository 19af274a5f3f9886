"""What clients send to say which of many they want: filters and orders."""

import strawberry

from app.graph.declare import given, needed
from app.graph.enums import CompanySort, Direction, Gender, Origin, PersonSort, PersonType
from app.graph.scalars import Date, DateTime


@strawberry.input(description="Compares text, without case; several conditions hold together.")
class StringFilter:
    """Text."""

    eq: str | None = given("Is this.")
    ne: str | None = given("Is not this, or is not there.")
    in_: list[str] | None = strawberry.field(name="in", description="Is one of these.", default=strawberry.UNSET)
    not_in: list[str] | None = given("Is none of these.")
    contains: str | None = given("Has this somewhere.")
    starts_with: str | None = given("Begins with this.")
    ends_with: str | None = given("Ends with this.")
    exists: bool | None = given("Whether there is a value at all.")


@strawberry.input(description="Compares numbers; several conditions hold together.")
class NumberFilter:
    """Numbers."""

    eq: float | None = given("Is this.")
    ne: float | None = given("Is not this.")
    gt: float | None = given("Is greater.")
    gte: float | None = given("Is this or greater.")
    lt: float | None = given("Is less.")
    lte: float | None = given("Is this or less.")
    exists: bool | None = given("Whether there is a value at all.")


@strawberry.input(description="Compares days; several conditions hold together.")
class DateFilter:
    """Days."""

    eq: Date | None = given("Is this day.")
    gt: Date | None = given("Is later.")
    gte: Date | None = given("Is this day or later.")
    lt: Date | None = given("Is earlier.")
    lte: Date | None = given("Is this day or earlier.")
    exists: bool | None = given("Whether there is a value at all.")


@strawberry.input(description="Compares moments; several conditions hold together.")
class DateTimeFilter:
    """Moments."""

    eq: DateTime | None = given("Is this moment.")
    gt: DateTime | None = given("Is later.")
    gte: DateTime | None = given("Is this moment or later.")
    lt: DateTime | None = given("Is earlier.")
    lte: DateTime | None = given("Is this moment or earlier.")
    exists: bool | None = given("Whether there is a value at all.")


@strawberry.input(description="Asks for tags, own or inherited from a company; several conditions hold together.")
class TagFilter:
    """Tags."""

    has: str | None = given("Has this tag.")
    has_any: list[str] | None = given("Has at least one of these.")
    has_all: list[str] | None = given("Has all of these.")
    has_none: list[str] | None = given("Has none of these.")


@strawberry.input(description="Compares one custom attribute, in the way of its type.")
class AttributeFilter:
    """Attributes."""

    name: str = needed("The attribute's name.")
    string: StringFilter | None = given("Of a STRING.")
    number: NumberFilter | None = given("Of an INTEGER or DECIMAL.")
    boolean: bool | None = given("Of a BOOLEAN.")
    date: DateFilter | None = given("Of a DATE.")
    date_time: DateTimeFilter | None = given("Of a DATE_TIME.")
    exists: bool | None = given("Whether there is a value at all.")


@strawberry.input(description="Which persons; several conditions hold together.")
class PersonFilter:
    """Persons."""

    and_: "list[PersonFilter] | None" = strawberry.field(
        name="and", description="All of these hold.", default=strawberry.UNSET
    )
    or_: "list[PersonFilter] | None" = strawberry.field(
        name="or", description="At least one of these holds.", default=strawberry.UNSET
    )
    not_: "PersonFilter | None" = strawberry.field(
        name="not", description="This does not hold.", default=strawberry.UNSET
    )
    ids: list[strawberry.ID] | None = given("One of these ids; the id of a merged person means its survivor.")
    type: PersonType | None = given("Leads or customers.")
    external_id: StringFilter | None = given("By external id.")
    first_name: StringFilter | None = given("By given name.")
    last_name: StringFilter | None = given("By family name.")
    middle_name: StringFilter | None = given("By middle name.")
    nickname: StringFilter | None = given("By nickname.")
    email: StringFilter | None = given("By any of the emails.")
    phone: StringFilter | None = given("By any of the phone numbers.")
    city: StringFilter | None = given("By city.")
    country: StringFilter | None = given("By country.")
    preferred_language: StringFilter | None = given("By language.")
    gender: Gender | None = given("By gender.")
    birth_date: DateFilter | None = given("By date of birth.")
    tags: TagFilter | None = given("By tags, own or inherited.")
    custom_attribute: AttributeFilter | None = given("By a custom attribute.")
    company_id: strawberry.ID | None = given("Members of this company; the id of a merged one means its survivor.")
    has_push: bool | None = given("Whether there is an installation of an app.")
    created_from: Origin | None = given("By where the profile came from.")
    created_at: DateTimeFilter | None = given("By when the profile was made.")
    updated_at: DateTimeFilter | None = given("By when the profile was changed last.")


@strawberry.input(description="The order of a list of persons.")
class PersonOrder:
    """Order of persons."""

    by: PersonSort = given("What to order by.", "CREATED_AT")
    direction: Direction = given("In which direction.", "DESC")
    custom_attribute: str | None = given("The attribute's name, in any case; with CUSTOM_ATTRIBUTE, and only then.")


@strawberry.input(description="Which companies; several conditions hold together.")
class CompanyFilter:
    """Companies."""

    and_: "list[CompanyFilter] | None" = strawberry.field(
        name="and", description="All of these hold.", default=strawberry.UNSET
    )
    or_: "list[CompanyFilter] | None" = strawberry.field(
        name="or", description="At least one of these holds.", default=strawberry.UNSET
    )
    not_: "CompanyFilter | None" = strawberry.field(
        name="not", description="This does not hold.", default=strawberry.UNSET
    )
    ids: list[strawberry.ID] | None = given("One of these ids; the id of a merged company means its survivor.")
    name: StringFilter | None = given("By name.")
    domain: StringFilter | None = given("By any of the domains.")
    country: StringFilter | None = given("By country.")
    industry: StringFilter | None = given("By industry.")
    segment: StringFilter | None = given("By segment.")
    tags: TagFilter | None = given("By tags.")
    custom_attribute: AttributeFilter | None = given("By a custom attribute.")
    created_at: DateTimeFilter | None = given("By when the company was made.")
    updated_at: DateTimeFilter | None = given("By when the company was changed last.")


@strawberry.input(description="The order of a list of companies.")
class CompanyOrder:
    """Order of companies."""

    by: CompanySort = given("What to order by.", "CREATED_AT")
    direction: Direction = given("In which direction.", "DESC")
    custom_attribute: str | None = given("The attribute's name, in any case; with CUSTOM_ATTRIBUTE, and only then.")


@strawberry.input(description="Which events of a timeline; several conditions hold together.")
class TimelineFilter:
    """Events."""

    types: list[str] | None = given("Of these types alone.")
    not_types: list[str] | None = given("Of none of these types.")
    sources: list[Origin] | None = given("From these sources alone.")
    from_: DateTime | None = strawberry.field(
        name="from", description="At this moment or later.", default=strawberry.UNSET
    )
    to: DateTime | None = given("Before this moment.")
    session_id: str | None = given("Of this session alone.")
