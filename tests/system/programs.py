"""What the machine may do: documents, and strategies for their inputs from pools so small that conflicts are common."""

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from tests.system.model import email, phone, same

ERRORS = "errors { code path existingId }"
PERSON = """id type externalId firstName lastName emails { address primary } phones { number primary }
  tags inheritedTags customAttributes version companies { edges { role primary node { id } } }"""
COMPANY = f"company {{ id name tags }} {ERRORS}"
PAYLOAD = f"{{ person {{ {PERSON} }} {ERRORS} }}"
CREATE = f"mutation($input: CreatePersonInput!) {{ createPerson(input: $input) {PAYLOAD} }}"
UPDATE = f"""mutation($by: PersonLocator!, $input: UpdatePersonInput!, $version: Int) {{
  updatePerson(by: $by, input: $input, expectedVersion: $version) {PAYLOAD} }}"""
REPLACE = f"""mutation($by: PersonLocator!, $input: CreatePersonInput!) {{
  replacePerson(by: $by, input: $input) {PAYLOAD} }}"""
DELETE = f"mutation($by: PersonLocator!) {{ deletePerson(by: $by) {{ deletedIds {ERRORS} }} }}"
UPSERT = f"""mutation($rows: [CreatePersonInput!]!, $replace: Boolean!, $atomic: Boolean!) {{
  upsertPersons(persons: $rows, replace: $replace, atomic: $atomic) {{
    results {{ index status person {{ {PERSON} }} {ERRORS} }} {ERRORS} }} }}"""
TAG = f"""mutation($ids: [ID!], $filter: PersonFilter, $add: [String!]!, $remove: [String!]!) {{
  tagPersons(ids: $ids, filter: $filter, add: $add, remove: $remove) {{ changed {ERRORS} }} }}"""
CREATE_TAG = f"mutation($name: String!) {{ createTag(name: $name) {{ tag {{ name }} {ERRORS} }} }}"
DELETE_TAG = f"mutation($name: String!) {{ deleteTag(name: $name) {{ tag {{ name }} {ERRORS} }} }}"
DEFINE = f"""mutation($name: String!, $type: AttributeType!) {{
  defineAttribute(input: {{name: $name, type: $type}}) {{ attribute {{ name type }} {ERRORS} }} }}"""
UNDEFINE = f"mutation($name: String!) {{ deleteAttribute(name: $name) {{ attribute {{ name type }} {ERRORS} }} }}"
FOUND = f"""mutation($name: String!, $tags: [String!]!) {{
  createCompany(input: {{name: $name, tags: $tags}}) {{ {COMPANY} }} }}"""
LINK = f"""mutation($company: CompanyLocator!, $persons: [PersonLocator!]!, $role: String, $primary: Boolean!) {{
  linkPersons(company: $company, persons: $persons, role: $role, primary: $primary) {{ {COMPANY} }} }}"""
UNLINK = f"""mutation($company: CompanyLocator!, $persons: [PersonLocator!]!) {{
  unlinkPersons(company: $company, persons: $persons) {{ {COMPANY} }} }}"""
DISSOLVE = f"mutation($by: CompanyLocator!) {{ deleteCompany(by: $by) {{ deletedIds {ERRORS} }} }}"
STATE = f"""query($by: [PersonLocator!]!) {{
  persons(first: 60) {{ totalCount nodes {{ {PERSON.replace("companies {", "companies(first: 9) {")} }} }}
  tags {{ nodes {{ name persons companies }} }}
  attributeDefinitions {{ name type }}
  companies(first: 9) {{ nodes {{ id name tags persons(first: 60) {{ totalCount nodes {{ id }} }} }} }}
  matchPersons(by: $by)
  activity(first: 90) {{ nodes {{ id type person {{ id }} }} }} }}"""

EMAILS = [f"{letter}@x.example" for letter in "abcde"]
PHONES = [f"4366011111{digit}" for digit in range(3)]
EXTERNAL_IDS = ["x", "X", "y"]
IDENTIFIERS = [
    *[{"email": one.upper()} for one in EMAILS],
    *[{"phone": f"+{one}"} for one in PHONES],
    *[{"externalId": one} for one in EXTERNAL_IDS],
]
# Of those that are there; the others of all that there ever were.
PRESENT, EVER = 20, 24
PROCESS = st.integers(0, 1)
MODE = st.booleans()
TAGS = st.sampled_from(["VIP", "vip", "new", "New", "ÉTÉ", "été"])
NAMES = st.sampled_from(["Ann", "Bob", "Łukasz", None] * 5 + ["A<n"])
TYPES = st.sampled_from(["LEAD", "CUSTOMER", "CUSTOMER"])
ADDRESS = st.sampled_from([*EMAILS, *EMAILS, "A@X.Example", " b@x.example "])
NUMBER = st.sampled_from([*PHONES, *PHONES, "+43 (660) 11-11-11 0", "43.660.111111.1"])
EXTERNAL_ID = st.sampled_from(EXTERNAL_IDS)
COMPANY_NAMES = st.sampled_from(["Acme", "ACME", "Beta", "Gamma", "gamma"])
ATTRIBUTES = st.sampled_from([("size", "INTEGER"), ("Size", "INTEGER"), ("size", "STRING"), ("note", "STRING")])
ATTRIBUTE_NAMES = st.sampled_from(["size", "Size", "note"])
VALUES = st.sampled_from(
    [{"size": 1}, {"SIZE": 2}, {"size": None}, {"note": "a"}, {"note": "b", "size": 1}, {"size": "L"}]
)
# How far the version that is expected is from the present one.
EXPECTED = st.sampled_from([None, None, None, 0, 0, -1])
ROLE = st.sampled_from([None, "buyer", "seller"])


def contacts(leaf: str, pool: st.SearchStrategy[str], normal: Callable[[str], str]) -> st.SearchStrategy[Any]:
    """Give lists of emails or phones, each once."""
    flags = st.sampled_from([None, None, None, True, False])
    one = st.fixed_dictionaries({leaf: pool, "primary": flags})
    return st.lists(one, max_size=2, unique_by=lambda given: normal(given[leaf]))


LISTS: dict[str, tuple[st.SearchStrategy[Any], st.SearchStrategy[str]]] = {
    "emails": (contacts("address", ADDRESS, email), ADDRESS),
    "phones": (contacts("number", NUMBER, phone), NUMBER),
    "tags": (st.lists(TAGS, max_size=2), TAGS),
}


@st.composite
def changes(draw: st.DrawFn, name: str) -> Any:
    """Give changes of a list: what to add and remove, all of it, none of it, or what can't be meant."""
    items, names = LISTS[name]
    how = draw(st.sampled_from(["add", "add", "add", "remove", "both", "set", "set", "null", "odd"]))
    parts = {"add": ["add"], "both": ["add", "remove"], "odd": ["set", "add"]}.get(how, [how])
    if how == "null":
        return None
    return {part: draw(st.lists(names, max_size=2) if part == "remove" else items) for part in parts}


Fields = dict[str, tuple[int, st.SearchStrategy[Any]]]
# Each with how often of ten times it is given.
PLAIN: Fields = {"firstName": (4, NAMES), "lastName": (2, NAMES), "customAttributes": (2, VALUES), "type": (3, TYPES)}
ITEMS: Fields = {name: (6, items) for name, (items, _) in LISTS.items()}
LISTED: Fields = {name: (3, changes(name)) for name in LISTS}


@st.composite
def some(draw: st.DrawFn, fields: Fields) -> dict[str, Any]:
    """Give an input with some of the fields."""
    return {name: draw(items) for name, (odds, items) in fields.items() if draw(st.integers(0, 9)) < odds}


NEW = some({"externalId": (5, EXTERNAL_ID), **PLAIN, **ITEMS})
CHANGED = some({"externalId": (2, st.one_of(EXTERNAL_ID, st.none())), **PLAIN, **LISTED, "type": (1, TYPES)})
ROWS = st.lists(NEW, min_size=1, max_size=4)
# An id by a number, or an identifier.
BY_NUMBER = st.integers(0, EVER - 1).map(lambda at: {"id": at})
WHO = st.one_of(BY_NUMBER, BY_NUMBER, st.sampled_from(IDENTIFIERS))
WHICH = st.one_of(BY_NUMBER, BY_NUMBER, COMPANY_NAMES.map(lambda name: {"name": name}))
SOME = st.lists(WHO, min_size=1, max_size=3)
MEMBERS = st.lists(BY_NUMBER, min_size=1, max_size=3)
TAGGED = st.fixed_dictionaries({"add": st.lists(TAGS, min_size=1, max_size=2), "remove": st.lists(TAGS, max_size=2)})


Step = tuple[str, dict[str, Any]]
# The machine's verbs: how often each is done, and what it takes.
VERBS: dict[str, tuple[int, dict[str, st.SearchStrategy[Any]]]] = {
    "update": (10, {"who": WHO, "given": CHANGED, "off": EXPECTED}),
    "upsert": (7, {"rows": ROWS, "full": MODE, "atomic": MODE}),
    "create": (5, {"given": NEW}),
    "replace": (4, {"who": WHO, "given": NEW}),
    "delete": (3, {"who": WHO}),
    "tag": (2, {"whom": SOME, "change": TAGGED}),
    "tag_found": (2, {"name": TAGS, "change": TAGGED}),
    "create_tag": (1, {"name": TAGS}),
    "delete_tag": (2, {"name": TAGS}),
    "define": (2, {"wanted": ATTRIBUTES}),
    "undefine": (1, {"name": ATTRIBUTE_NAMES}),
    "found": (2, {"name": COMPANY_NAMES, "tags": LISTS["tags"][0]}),
    "link": (6, {"which": WHICH, "whom": MEMBERS, "role": ROLE, "main": MODE}),
    "unlink": (2, {"which": WHICH, "whom": MEMBERS}),
    "dissolve": (1, {"which": WHICH}),
}


@st.composite
def steps(draw: st.DrawFn) -> Step:
    """Give one thing to do; not a rule for each, of which hypothesis would leave many out of a program."""
    verb = draw(st.sampled_from([name for name, (weight, _) in VERBS.items() for _ in range(weight)]))
    return verb, {name: draw(strategy) for name, strategy in VERBS[verb][1].items()}


# Who is there when a program begins.
FIRST: list[dict[str, Any]] = [
    {"externalId": "x", "firstName": "Ann", "emails": [{"address": "a@x.example"}], "tags": ["VIP"]},
    {
        "type": "LEAD",
        "emails": [{"address": "b@x.example"}, {"address": "c@x.example"}],
        "customAttributes": {"size": 1},
    },
    {"type": "LEAD", "phones": [{"number": PHONES[0]}], "customAttributes": {"note": "a"}, "tags": ["new"]},
]


def seen(person: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return a person of an answer in the form of the model."""
    if person is None:
        return None
    edges = person["companies"]["edges"]
    companies = {one["node"]["id"]: (one["role"], one["primary"]) for one in edges}
    return {**person, "inheritedTags": sorted(person["inheritedTags"]), "companies": companies}


def errors(payload: dict[str, Any]) -> list[tuple[str, tuple[str, ...], str | None]]:
    """Return the errors of an answer in the form of the model."""
    return sorted(((one["code"], tuple(one["path"]), one["existingId"]) for one in payload["errors"]), key=repr)


def by_name(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return definitions by name without case."""
    return sorted(found, key=lambda one: same(one["name"]))
