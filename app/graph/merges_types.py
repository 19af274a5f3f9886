"""What merges look like, and what they are asked for with."""

from types import SimpleNamespace
from typing import Any

import strawberry

from app.catalog.model import Catalog
from app.catalog.values import present
from app.graph import enums
from app.graph.declare import Info, about, given, needed, relation
from app.graph.inputs import PersonLocator, UpdatePersonInput
from app.graph.results import ERRORS, UserError
from app.graph.scalars import JSON, DateTime
from app.graph.types import Node, PageInfo, Person
from app.identity import model
from app.identity.model import ATTRIBUTE, Decision, shown_field
from app.persons.model import Person as PersonModel


@strawberry.input(description="Whom to merge, and what is decided by the call itself.")
class MergePersonsInput:
    """Merge."""

    persons: list[PersonLocator] = needed("2 to 50. Who survives follows the rules unless `into` says.")
    into: strawberry.ID | None = given("The person that survives: one of `persons`.")
    overrides: UpdatePersonInput | None = given("Written over what the rules decide.")


async def survivor_of(root: strawberry.Parent[model.Merge], info: Info) -> PersonModel | None:
    """Return whoever the survivor is now."""
    return await info.context.services.persons.heir(info.context.account, root.survivor_id)


async def decisions_of(root: strawberry.Parent[Any], info: Info) -> list[SimpleNamespace]:
    """Return the decisions with values as JSON shows them; those on attributes that are gone are gone too."""
    catalog = await info.context.services.catalog.of(info.context.account)
    return [_shown(one, name, catalog) for one in root.decisions if (name := shown_field(one.field, catalog))]


def _shown(one: Decision, name: str, catalog: Catalog) -> SimpleNamespace:
    definition = catalog.attributes.get(one.field.removeprefix(ATTRIBUTE))

    def value(kept: Any) -> Any:
        return present(definition, kept) if definition and kept is not None else kept

    candidates = [SimpleNamespace(person_id=each.person_id, value=value(each.value)) for each in one.candidates]
    return SimpleNamespace(field=name, chosen=value(one.chosen), source=one.source, candidates=candidates)


@strawberry.type(description="What one of the persons had.")
class FieldCandidate:
    """Candidate."""

    person_id: strawberry.ID = about("The person, as they were before the merge.")
    value: JSON | None = about("Their value.")


@strawberry.type(description="How a field was decided on which they differed, or which only another of them had.")
class FieldDecision:
    """Decision."""

    field: str = about("The field: `firstName`, `customAttributes.size`.")
    chosen: JSON | None = about("What it became.")
    source: strawberry.ID | None = strawberry.field(
        name="from", description="Whose value that was; null where the call itself said it."
    )
    candidates: list[FieldCandidate] = about("What they had, whose counts most first.")


@strawberry.type(description="Persons that became one; it can be undone with `revertMerge`.")
class Merge(Node):
    """Merge."""

    survivor: Person | None = relation(survivor_of, "Whoever the survivor is now; null where they are gone.")
    merged_ids: list[strawberry.ID] = strawberry.field(
        resolver=lambda root: list(root.merged), description="Ids of those who were merged into it."
    )
    decisions: list[FieldDecision] = relation(decisions_of, "How fields were decided.")
    at: DateTime = about("When.")
    cause: enums.Origin = about("Who asked for it.")
    reverted_at: DateTime | None = about("When it was undone.")


@strawberry.type(description="A page of merges.")
class MergeConnection:
    """Merges."""

    nodes: list[Merge] = about("The merges, newest first.")
    page_info: PageInfo = about("Where the page lies.")


@strawberry.type(description="What a merge would make; nothing is written.")
class MergePreview:
    """Preview."""

    person: Person | None = about("The person as it would be; null where the merge would be refused.")
    decisions: list[FieldDecision] = relation(decisions_of, "How fields would be decided.")
    errors: list[UserError] = about("What the merge would be refused with.")


@strawberry.type(description="A merge that was made.")
class MergePayload:
    """Merge."""

    person: Person | None = about("The survivor as it is now; null where the merge was refused.")
    merge: Merge | None = about("The merge; null where there was but one person.")
    deleted_person_ids: list[strawberry.ID] = about("Persons that are part of the survivor now; their ids find it.")
    errors: list[UserError] = about(ERRORS)


@strawberry.type(description="A merge that was undone.")
class RevertMergePayload:
    """Undoing."""

    persons: list[Person] = about("The persons that it was made of, the survivor first.")
    kept_fields: list[str] = about("Fields that somebody changed since: they stayed as they are.")
    errors: list[UserError] = about(ERRORS)
