"""How the schema is declared: every field, argument and enum value is born with its description."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any

import strawberry

from app.graph.context import Context

Info = strawberry.Info[Context, None]
# An input object as it reaches a resolver: the contract's names, absent is absent, null is None.
Input = Mapping[str, Any]


def about(description: str) -> Any:
    """Declare a field that is an attribute of its owner."""
    return strawberry.field(description=description)


def relation(resolver: Callable[..., Any], description: str, name: str | None = None) -> Any:
    """Declare a field that is resolved; its type stands in the class, its arguments in the resolver."""
    return strawberry.field(resolver=resolver, name=name, description=description)


def given(description: str, default: Any = strawberry.UNSET) -> Any:
    """Declare a field of an input; without a default it may be absent."""
    return strawberry.field(description=description, default=default)


def needed(description: str) -> Any:
    """Declare a field of an input that must be there."""
    return strawberry.field(description=description)


def value(name: str, description: str) -> Any:
    """Declare a value of an enum; inside the service it is its name."""
    return strawberry.enum_value(name, description=description)


def argument(description: str, type_: Any = None) -> Any:
    """Describe an argument, and name its GraphQL type where that is an input object."""
    return strawberry.argument(description=description, graphql_type=type_)


First = Annotated[int | None, argument("How many from the front, 0 to 1000; 20 where nothing is said.")]
Last = Annotated[int | None, argument("How many from the back, 0 to 1000; not together with `first`.")]
