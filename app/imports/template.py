"""A file to begin with: every field and custom attribute as a column, two rows that can be imported. All pure."""

from app.catalog.model import AttributeDefinition, Catalog
from app.imports.fields import CUSTOM, FIELDS
from app.imports.header import header
from app.imports.report import MARK, written
from app.imports.suggest import suggestions
from app.imports.table import COLUMNS_MAX, Row, Unreadable

_EXAMPLES: dict[str, dict[str, tuple[str, str]]] = {
    "PERSON": {
        "externalId": ("C-1001", "C-1002"),
        "firstName": ("Grace", "Alan"),
        "middleName": ("Brewster", "Mathison"),
        "lastName": ("Hopper", "Turing"),
        "nickname": ("Amazing Grace", ""),
        "gender": ("female", "male"),
        "birthDate": ("1906-12-09", "1912-06-23"),
        "address": ("85 Example Street", "43 Adlington Road"),
        "city": ("New York", "Wilmslow"),
        "country": ("United States", "GB"),
        "preferredLanguage": ("en", "en-GB"),
        "timeZone": ("America/New_York", "Europe/London"),
        "profilePicture": ("https://example.com/grace.png", ""),
        "email": ("grace@example.com", "alan@example.com; turing@example.com"),
        "phone": ("+1 212 555 0101", "+44 20 7946 0102"),
        "tags": ("VIP; newsletter", "newsletter"),
    },
    "COMPANY": {
        "name": ("Analytical Engines", "Bletchley Machines"),
        "externalId": ("F-2001", "F-2002"),
        "country": ("United Kingdom", "GB"),
        "region": ("London", "Buckinghamshire"),
        "segment": ("Enterprise", "Public"),
        "industry": ("Machinery", "Research"),
        "customerStage": ("Prospect", "Active"),
        "accountManager": ("Hedy", "Joan"),
        "vatNumber": ("GB123456789", ""),
        "notes": ("Met at the exhibition.", ""),
        "domains": ("engines.example.com", "bletchley.example.com; machines.example.com"),
        "tags": ("VIP", "research"),
    },
}
_KINDS = {
    "STRING": ("some text", "another text"),
    "INTEGER": ("1", "20"),
    "DECIMAL": ("1.5", "20.25"),
    "BOOLEAN": ("true", "false"),
    "DATE": ("2026-05-04", "2026-12-31"),
    "DATE_TIME": ("2026-05-04T10:00:00Z", "2026-12-31T23:59:00Z"),
}


def template(target: str, catalog: Catalog) -> bytes:
    """Return the file; lists are left out, for no cell of it holds one, and names that no header can have."""
    columns = [(name, _EXAMPLES[target].get(name, _KINDS["STRING"])) for name in FIELDS[target]]
    for one in sorted(catalog.attributes.values(), key=lambda each: each.name):
        name = _name(one, catalog) if one.target == target and one.type in _KINDS else None
        if name is not None and len(columns) < COLUMNS_MAX:
            columns.append((name, _KINDS[one.type]))
    rows = [[name for name, _ in columns], *([each[place] for _, each in columns] for place in (0, 1))]
    return MARK + written(rows)


def _name(one: AttributeDefinition, catalog: Catalog) -> str | None:
    """Return the header under which an attribute is suggested: its name, or its name behind what no field begins with.

    None where neither is taken for it.
    """
    samples = [Row(line, (cell,)) for line, cell in enumerate(_KINDS[one.type], 2)]
    for name in (one.name, CUSTOM + one.name):
        try:
            columns = header([name])
        except Unreadable:
            continue
        if suggestions(columns, samples, one.target, catalog) == [CUSTOM + one.name]:
            return name
    return None
