"""The schema: declared with Strawberry, printed, and built again from that text with the house's own resolvers.

What clients read in `schema.graphql` is therefore exactly what runs: no wrapper stands between a field and its value.
"""

import inspect
from collections.abc import Callable
from functools import lru_cache
from operator import attrgetter
from typing import Any

import strawberry
from graphql import (
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    build_schema,
)
from strawberry.schema.config import StrawberryConfig
from strawberry.types.base import StrawberryObjectDefinition
from strawberry.types.field import StrawberryField

from app.graph import imports_types, merges_types, scalars, syncs_types, types, visitors_types
from app.graph.access import AccessMutations, AccessQueries
from app.graph.catalog import CatalogMutations, CatalogQueries
from app.graph.channels import ChannelMutations
from app.graph.companies import CompanyMutations, CompanyQueries
from app.graph.duplicates import DuplicateMutations, DuplicateQueries
from app.graph.forms import FormMutations, FormQueries
from app.graph.imports import ImportMutations, ImportQueries, ImportSubscription
from app.graph.merges import MergeMutations, MergeQueries
from app.graph.mobile import MobileMutations
from app.graph.nodes import KINDS, NodeQueries
from app.graph.persons import PersonMutations, PersonQueries
from app.graph.subscriptions import Subscription as LiveSubscription
from app.graph.syncs import SyncMutations, SyncQueries, SyncSubscription
from app.graph.timeline import TimelineMutations, TimelineQueries
from app.graph.visitors import VisitorMutations, VisitorQueries

Resolve = Callable[..., Any]
# Every type that can be read again by its id.
NODES = [
    types.Person,
    types.Company,
    types.TimelineEvent,
    merges_types.Merge,
    visitors_types.Visitor,
    imports_types.Import,
    syncs_types.SyncConnection,
]


@strawberry.type(description="What can be asked.")
class Query(
    NodeQueries,
    AccessQueries,
    PersonQueries,
    CompanyQueries,
    CatalogQueries,
    TimelineQueries,
    VisitorQueries,
    MergeQueries,
    DuplicateQueries,
    FormQueries,
    ImportQueries,
    SyncQueries,
):
    """All queries."""


@strawberry.type(description="What can be done.")
class Mutation(
    PersonMutations,
    CompanyMutations,
    CatalogMutations,
    TimelineMutations,
    AccessMutations,
    VisitorMutations,
    MergeMutations,
    MobileMutations,
    DuplicateMutations,
    ChannelMutations,
    FormMutations,
    ImportMutations,
    SyncMutations,
):
    """All mutations."""


@strawberry.type(description="What can be followed live, over a websocket or as server-sent events.")
class Subscription(LiveSubscription, ImportSubscription, SyncSubscription):
    """All subscriptions."""


@lru_cache(maxsize=1)
def declared() -> strawberry.Schema:
    """Return the schema as Strawberry knows it."""
    config = StrawberryConfig(scalar_map=scalars.definitions())
    return strawberry.Schema(Query, Mutation, Subscription, types=NODES, config=config)


@lru_cache(maxsize=1)
def sdl() -> str:
    """Return the schema's text, as it stands in `schema.graphql`."""
    return declared().as_str() + "\n"


@lru_cache(maxsize=1)
def executable() -> GraphQLSchema:
    """Return the schema that runs."""
    schema = build_schema(sdl())
    scalars.bind(schema)
    bind(schema, declared())
    schema.type_map["Node"].resolve_type = _kind_of  # type: ignore[attr-defined]
    return schema


def _kind_of(value: Any, _info: Any, _kind: Any) -> str:
    return KINDS[type(value)]


def bind(schema: GraphQLSchema, source: strawberry.Schema) -> None:
    """Put the resolvers that `source` declares on a schema built from its text."""
    for kind in schema.type_map.values():
        if isinstance(kind, GraphQLObjectType | GraphQLInterfaceType) and not kind.name.startswith("__"):
            definition = source.get_type_by_name(kind.name)
            if isinstance(definition, StrawberryObjectDefinition):
                _bind_type(kind, definition)
        elif isinstance(kind, GraphQLInputObjectType):
            kind.out_type = dict  # type: ignore[method-assign, assignment]


def _bind_type(kind: GraphQLObjectType | GraphQLInterfaceType, definition: StrawberryObjectDefinition) -> None:
    named = {_graphql_name(field): field for field in definition.fields}
    for name, field in kind.fields.items():
        one = named[name]
        if one.base_resolver is None:
            field.resolve = plain(one.python_name)
            continue
        function: Any = one.base_resolver.wrapped_func
        _name_arguments(field, one)
        field.resolve = _called(function)
        field.resolve.sources = getattr(function, "sources", None)
        field.resolve.keyed = getattr(function, "keyed", None)
        if kind.name == "Subscription":
            field.subscribe = field.resolve
            field.resolve = _itself


def _graphql_name(field: StrawberryField) -> str:
    if field.graphql_name:
        return field.graphql_name
    first, *rest = field.python_name.split("_")
    return first + "".join(part.capitalize() for part in rest)


def _name_arguments(field: GraphQLField, declared_field: StrawberryField) -> None:
    names = {_camel(one.python_name): one.python_name for one in declared_field.arguments}
    for name, argument in field.args.items():
        argument.out_name = names[name]


def _camel(python_name: str) -> str:
    first, *rest = python_name.split("_")
    return first + "".join(part.capitalize() for part in rest)


def plain(name: str) -> Resolve:
    """Return the resolver of an attribute."""
    read = attrgetter(name)

    def resolve(source: Any, _info: Any) -> Any:
        return read(source)

    resolve._is_default = True  # type: ignore[attr-defined] # noqa: SLF001 - Strawberry's own mark, which costs heed
    resolve.attribute = name  # type: ignore[attr-defined]
    return resolve


def _called(function: Callable[..., Any]) -> Resolve:
    """Return the resolver of a declared function, which takes its source as `root`, and `info` where it needs it."""
    names = inspect.signature(function).parameters
    of_source = "root" in names or "self" in names
    if of_source and "info" in names:
        return function
    if of_source:
        return lambda source, _info, **arguments: function(source, **arguments)
    return lambda _source, info, **arguments: function(info, **arguments)


def _itself(source: Any, _info: Any, **_: Any) -> Any:
    return source
