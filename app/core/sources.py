"""Where the attributes of a model stand in what the store keeps: a list is shown from that, with no model between."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Kept = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Source:
    """One attribute: the value of the first of `fields`, or what `read` makes of the document and the catalog.

    No more than `fields` are read of a document. Of a list of objects `items` says where the attributes of each stand.
    """

    fields: tuple[str, ...]
    read: Callable[[Kept, Any], Any] | None = None
    items: "Mapping[str, Source] | None" = None


Sources = Mapping[str, Source]
