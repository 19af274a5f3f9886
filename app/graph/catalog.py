"""How tags, custom attributes and event definitions are asked for and changed."""

from collections.abc import Sequence
from typing import Annotated

import strawberry

from app.catalog.model import AttributeDefinition, EventDefinition, Tag
from app.core.pages import Page
from app.core.text import caseless
from app.graph import reading, types
from app.graph.connections import Connection, Place
from app.graph.context import Context
from app.graph.declare import First, Info, Input, argument, relation
from app.graph.enums import AttributeTarget
from app.graph.inputs import DefineAttributeInput, DefineEventInput
from app.graph.relations import After
from app.graph.results import AttributePayload, EventDefinitionPayload, Payload, TagPayload, settled

Name = Annotated[str, argument("The name, in any case.")]
Target = Annotated[str, argument("Of persons or of companies.", AttributeTarget)]


async def tags(
    info: Info,
    search: Annotated[str | None, argument("A part of the name.")] = None,
    first: First = None,
    after: After = None,
) -> Connection[Tag]:
    """Page through tags by name."""
    context = info.context
    place = Place(context, "tags", search)
    part = place.part(first, after)
    found = await context.services.catalog.tags(context.account, search)
    behind = [one for one in found if part.position is None or caseless(one.name) > part.position[0]]
    page = Page(behind[: part.limit], len(behind) > part.limit, part.position is not None)
    return Connection(page, place, lambda tag: (caseless(tag.name),))


async def attribute_definitions(info: Info, target: Target = "PERSON") -> Sequence[AttributeDefinition]:
    """List attributes."""
    return await info.context.services.catalog.attributes(info.context.account, target)


async def event_definitions(info: Info) -> Sequence[EventDefinition]:
    """List event definitions."""
    return await info.context.services.catalog.events(info.context.account)


async def create_tag(info: Info, name: Annotated[str, argument("The name, at most 256 characters.")]) -> Payload:
    """Make a tag."""
    work = info.context.services.catalog.create_tag(info.context.account, name)
    return await settled(info.context.actor, "tag", work)


async def delete_tag(info: Info, name: Name) -> Payload:
    """Delete a tag."""
    actor = info.context.actor
    work = info.context.services.catalog.delete_tag(actor.account, name, actor.origin)
    return await settled(actor, "tag", work)


async def define_attribute(
    info: Info, input: Annotated[Input, argument("The attribute.", DefineAttributeInput)]
) -> Payload:
    """Define an attribute."""
    work = info.context.services.catalog.define_attribute(info.context.account, reading.attribute(input))
    return await settled(info.context.actor, "attribute", work)


async def delete_attribute(info: Info, name: Name, target: Target = "PERSON") -> Payload:
    """Delete an attribute."""
    return await settled(info.context.actor, "attribute", _deleted(info.context, target, name))


async def _deleted(context: Context, target: str, name: str) -> AttributeDefinition:
    await context.services.syncs.refuse_used(context.account, target, name)
    return await context.services.catalog.delete_attribute(context.account, target, name, context.actor.origin)


async def define_event(info: Info, input: Annotated[Input, argument("The event.", DefineEventInput)]) -> Payload:
    """Define an event."""
    work = info.context.services.catalog.define_event(info.context.account, reading.event_definition(input))
    return await settled(info.context.actor, "event", work)


@strawberry.type
class CatalogQueries:
    """What can be asked about definitions."""

    tags: types.TagConnection = relation(tags, "Tags by name, in pages.")
    attribute_definitions: list[types.AttributeDefinition] = relation(
        attribute_definitions, "The custom attributes of persons or of companies."
    )
    event_definitions: list[types.EventDefinition] = relation(
        event_definitions, "All events, the service's own ones first."
    )


@strawberry.type
class CatalogMutations:
    """What can be defined."""

    create_tag: TagPayload = relation(create_tag, "Makes a tag; writing an unknown one on a profile does so as well.")
    delete_tag: TagPayload = relation(delete_tag, "Deletes a tag, and takes it off all persons and companies.")
    define_attribute: AttributePayload = relation(define_attribute, "Defines a custom attribute.")
    delete_attribute: AttributePayload = relation(
        delete_attribute, "Deletes a custom attribute with all its values; its name is free at once, for any type."
    )
    define_event: EventDefinitionPayload = relation(
        define_event, "Defines an event, or adds fields to one that exists; nothing is ever taken away."
    )
