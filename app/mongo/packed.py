"""Documents that stay as the store sent them until somebody looks: a long list is made into objects piece by piece.

A thousand documents at once are some ten thousand objects, made while nothing else runs and far from the processor by
the time that they are read: to make, show and drop a few at a time takes two thirds of the time.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import overload

import bson

from app.mongo.engine import Document

LENGTH_BYTES = 4


class Packed(Sequence[Document]):
    """Documents in their order; a part of them is packed as they are, one of them is made each time that it is read."""

    __slots__ = ("_parts",)

    def __init__(self, parts: list[bytes]) -> None:
        self._parts = parts

    @classmethod
    def of(cls, batches: Iterable[bytes]) -> "Packed":
        """Return the documents of batches, in each of which one follows the other."""
        parts = []
        for batch in batches:
            start = 0
            while start < len(batch):
                # Each begins with its own length, little-endian: https://bsonspec.org/spec.html
                end = start + int.from_bytes(batch[start : start + LENGTH_BYTES], "little")
                parts.append(batch[start:end])
                start = end
        return cls(parts)

    def __len__(self) -> int:
        return len(self._parts)

    @overload
    def __getitem__(self, index: int) -> Document: ...

    @overload
    def __getitem__(self, index: slice) -> "Packed": ...

    def __getitem__(self, index: int | slice) -> "Document | Packed":
        if isinstance(index, slice):
            return Packed(self._parts[index])
        made: Document = bson.decode(self._parts[index])
        return made

    def __iter__(self) -> Iterator[Document]:
        return iter(bson.decode_all(b"".join(self._parts)))
