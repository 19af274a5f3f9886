"""Events by their display names: tagging that says "Product Viewed" means the definition with that title."""

from collections.abc import Callable

from app.catalog.model import Catalog, EventDefinition
from app.core.text import fold

ACCOUNTS = 1000


class Titles:
    """For each account the folded titles of its events, made anew when its definitions have changed."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[dict[str, EventDefinition], dict[str, str]]] = {}

    def of(self, catalog: Catalog) -> Callable[[str], str | None]:
        """Return what finds the id of an event by its id, else by its title in any case and with any accents."""

        def find(name: str) -> str | None:
            return name if name in catalog.events else self._folded(catalog).get(fold(name))

        return find

    def _folded(self, catalog: Catalog) -> dict[str, str]:
        known = self._known.get(catalog.account)
        # Definitions are never changed in place: comparing them is comparing addresses.
        if known is None or known[0] != catalog.events:
            if len(self._known) >= ACCOUNTS:
                self._known.pop(next(iter(self._known)))
            folded: dict[str, str] = {}
            for definition in catalog.events.values():
                folded.setdefault(fold(definition.title), definition.id)
            known = self._known[catalog.account] = dict(catalog.events), folded
        return known[1]
