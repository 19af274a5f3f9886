"""The types of duplicates: groups, their pages, and what dismissing one answers."""

import strawberry

from app.graph import types
from app.graph.declare import about
from app.graph.results import ERRORS, UserError


@strawberry.type(description="Persons who may be one and the same. To merge them, give their ids to `mergePersons`.")
class DuplicateGroup:
    """Group."""

    id: strawberry.ID = about("Names the group by its members, for `dismissDuplicates`; opaque.")
    persons: list[types.Person] = about("2 to 10 persons: whom it was found by, then whoever resembles most.")
    score: float = about("How likely they are one person, 0.5 to 1: that of the weakest link between them.")
    reasons: list[str] = about(
        "What they have in common, any of SAME_NAME, SIMILAR_NAME, SIMILAR_EMAIL, SIMILAR_PHONE, SAME_BIRTH_DATE,"
        " SAME_ADDRESS, SAME_CITY; more may come."
    )


@strawberry.type(
    description="A page of groups. It may hold fewer than were asked for, even none, with more behind it: go on while"
    " `hasNextPage` says so."
)
class DuplicateConnection:
    """Groups."""

    nodes: list[DuplicateGroup] = about("The groups, that of the newest person first.")
    page_info: types.PageInfo = about("Where the page lies; `endCursor` is there on an empty page as well.")


@strawberry.type(description="A group that was dismissed.")
class DismissPayload:
    """Dismissal."""

    group_id: strawberry.ID | None = about("The group; null where it was refused.")
    errors: list[UserError] = about(ERRORS)
