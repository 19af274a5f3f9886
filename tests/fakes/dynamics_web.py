"""The Web API of the Dataverse fake, one request at a time: metadata, collections, change tracking, records."""

import re
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, NamedTuple
from urllib.parse import quote

import orjson

from tests.fakes.dynamics_schema import ENTITIES, SCHEMA, SETS, TYPE, Attribute, metadata
from tests.fakes.dynamics_store import Row, Table
from tests.fakes.dynamics_values import Refused, reformatted, stamp, taken
from tests.fakes.faults import LATE_SECONDS, Clock, Faults

API = "/api/data/v9.2"
VERSION = "9.2.24121.00155"
USER = "f3b8a5d2-6c1e-4f0a-9d2b-7e5c4a3b2d1f"
PAGE_MAX = 5000
GUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"

_RECORD = re.compile(rf"(\w+)\(({GUID})\)", re.IGNORECASE)
_DEFINED = re.compile(
    rf"EntityDefinitions\(LogicalName='(\w+)'\)/Attributes(?:/{re.escape(TYPE)}\.(\w+)AttributeMetadata)?"
)
_BY_ID = re.compile(rf"(\w+) eq ({GUID})", re.IGNORECASE)
_BY_VALUE = re.compile(r"(\w+) eq '((?:[^']|'')*)'")
_SINCE = re.compile(r"modifiedon ge (\S+)")
_UNTRACKED_OPTIONS = ("filter", "orderby", "expand", "top")


class Entry(NamedTuple):
    """What was done to a record: created, updated, deleted or refused, by the api or a user."""

    at: datetime
    by: str
    action: str
    entity: str
    id: str
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Question:
    """A request; names of options and headers as they are written, the latter in lower case."""

    method: str
    path: str
    options: Mapping[str, str]
    headers: Mapping[str, str]
    content: bytes
    base: str

    @property
    def json(self) -> Any:
        """Return the body."""
        try:
            return orjson.loads(self.content or b"null")
        except orjson.JSONDecodeError:
            raise Refused(400, "0x80048d19", "Error identified in Payload provided by the user.") from None

    def prefers(self, name: str) -> str | None:
        """Return the value of a preference, empty where it has none; None where it isn't there."""
        found = re.search(rf'{re.escape(name)}(?:=("[^"]*"|[^,]*))?', self.headers.get("prefer", ""))
        return None if found is None else (found[1] or "").strip('"')


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer; `body` None where there is nothing to say."""

    status: int
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


class Versions:
    """Counts what is written, over all tables."""

    def __init__(self) -> None:
        self.last = 900_000

    def __iter__(self) -> Iterator[int]:
        return self

    def __next__(self) -> int:
        self.last += 1
        return self.last

    def __deepcopy__(self, memo: Any) -> "Versions":
        # What is rolled back has used up its versions all the same.
        return self


class Web:
    """The tables, and what can be asked of them."""

    def __init__(self, faults: Faults, clock: Clock) -> None:
        self.faults, self.clock = faults, clock
        self.schema: dict[str, dict[str, Attribute]] = {name: dict(columns) for name, columns in SCHEMA.items()}
        self.versions = Versions()
        self.tables = {name: Table(name, self.versions) for name in SCHEMA}
        self.journal: list[Entry] = []
        self.tracking = set(SCHEMA)
        # How long a delta token holds; one that is over is refused, or forgiven: answered with all there is.
        self.expiry_days = 30
        self.forgiving = False

    def answer(self, question: Question) -> Answer:
        """Answer a request to the API, by the path behind its root."""
        try:
            return self._route(question)
        except Refused as error:
            return Answer(error.status, {"error": {"code": error.code, "message": error.message}})

    def _route(self, question: Question) -> Answer:
        path = question.path
        if path.removesuffix("()") in ("WhoAmI", "RetrieveVersion"):
            return self._function(question, path.removesuffix("()"))
        if defined := _DEFINED.fullmatch(path):
            return self._metadata(defined[1], defined[2])
        if path in ENTITIES:
            verbs: dict[str, Callable[[Question, str], Answer]] = {"GET": self._list, "POST": self._post}
            if question.method in verbs:
                return verbs[question.method](question, ENTITIES[path])
        found = _RECORD.fullmatch(path)
        if found and found[1] in ENTITIES:
            record = {"GET": self._get, "PATCH": self._patch, "DELETE": self._delete}
            if question.method in record:
                return record[question.method](question, ENTITIES[found[1]], found[2].lower())
        raise Refused(404, "0x8006088a", f"Resource not found for the segment '{path}'.")

    def _function(self, question: Question, name: str) -> Answer:
        context = {"@odata.context": f"{question.base}{API}/$metadata#{TYPE}.{name}Response"}
        ids = {"BusinessUnitId": str(uuid.UUID(int=1)), "UserId": USER, "OrganizationId": str(uuid.UUID(int=2))}
        return Answer(200, context | (ids if name == "WhoAmI" else {"Version": VERSION}))

    def _metadata(self, entity: str, cast: str | None) -> Answer:
        if entity not in self.schema:
            raise Refused(404, "0x80060888", f"Could not find an entity with name '{entity}' in the MetadataCache.")
        told = [metadata(name, one) for name, one in self.schema[entity].items() if cast in (None, one.type)]
        special = ("MaxLength", "Format", "FormatName", "DateTimeBehavior", "OptionSet", "GlobalOptionSet")
        plain = [{name: value for name, value in one.items() if cast or name not in special} for one in told]
        return Answer(200, {"value": plain})

    # Reading

    def _names(self, entity: str, question: Question) -> list[str]:
        there = self.properties(entity)
        asked = question.options.get("$select")
        names = asked.split(",") if asked else list(there)
        for name in names:
            if name not in there:
                words = f"Could not find a property named '{name}' on type '{TYPE}.{entity}'."
                raise Refused(400, "0x80060888", words)
        return names

    def properties(self, entity: str) -> dict[str, str]:
        """Return the column of each property: lookups have another name in JSON."""
        columns = self.schema[entity].items()
        return {f"_{name}_value" if one.targets else name: name for name, one in columns if one.type != "Virtual"}

    def shown(self, entity: str, keys: Iterable[str], question: Question) -> list[Row]:
        """Return records as JSON has them."""
        table, names, own = self.tables[entity], self._names(entity, question), f"{entity}id"
        columns = self.properties(entity)
        plain = [(name, columns[name]) for name in names if name not in (own, "versionnumber") and name[0] != "_"]
        lookups = [(name, columns[name]) for name in names if name[0] == "_"]
        annotated = "lookuplogicalname" in (question.prefers("odata.include-annotations") or "")
        found = []
        for key in keys:
            row = table.rows[key]
            one = {"@odata.etag": f'W/"{row["version"]}"', own: key, **{name: row.get(of) for name, of in plain}}
            for name, column in lookups:
                kind, target = row.get(column) or (None, None)
                one[name] = target
                if annotated and kind:
                    one[f"{name}@{TYPE}.lookuplogicalname"] = kind
            found.append(one)
        return found

    def _get(self, question: Question, entity: str, key: str) -> Answer:
        if key not in self.tables[entity].rows:
            raise self._absent(entity, key)
        row = self.shown(entity, [key], question)[0]
        if question.headers.get("if-none-match") == row["@odata.etag"]:
            return Answer(304)
        return Answer(200, {"@odata.context": self._context(question, entity, "/$entity"), **row})

    def _absent(self, entity: str, key: str) -> Refused:
        return Refused(404, "0x80040217", f"{entity} With Id = {key} Does Not Exist")

    def _context(self, question: Question, entity: str, more: str = "") -> str:
        selected = question.options.get("$select")
        return f"{question.base}{API}/$metadata#{SETS[entity]}{f'({selected})' if selected else ''}{more}"

    def _list(self, question: Question, entity: str) -> Answer:
        self._names(entity, question)
        size = min(PAGE_MAX, int(question.prefers("odata.maxpagesize") or PAGE_MAX))
        tracked = question.prefers("odata.track-changes") is not None or "$deltatoken" in question.options
        keys, gone, link = (self._tracked if tracked else self._plain)(question, entity, size)
        rows = self.shown(entity, keys, question)
        if rows and self.faults.strikes("duplicate"):
            rows.append(rows[0])
        context = f"{question.base}{API}/$metadata#{SETS[entity]}/$deletedEntity"
        rows += [{"@odata.context": context, "id": key, "reason": "deleted"} for key in gone]
        more = "/$delta" if "$deltatoken" in question.options else ""
        body = {"@odata.context": self._context(question, entity, more), **link, "value": rows}
        self._meanwhile(entity, keys, more="@odata.nextLink" in link)
        return Answer(200, body, {"Preference-Applied": "odata.track-changes"} if tracked else {})

    def _meanwhile(self, entity: str, keys: list[str], *, more: bool) -> None:
        """Have somebody save or delete a record between two requests."""
        if more and self.faults.strikes("page_moves"):
            behind = self.faults.chance.choice(list(self.tables[entity].rows))
            for key in {keys[0], behind} if keys else {behind}:
                self.save(entity, key, {}, by="user")
        if keys and self.faults.strikes("vanish"):
            self.remove(entity, keys[-1], by="user")

    def _plain(self, question: Question, entity: str, size: int) -> tuple[list[str], list[str], dict[str, str]]:
        table, condition = self.tables[entity], question.options.get("$filter", "")
        token = question.options.get("$skiptoken", "")
        since = _SINCE.fullmatch(condition)
        if condition and not since:
            keys, at = self._filtered(entity, condition), int(token or 0)
            page, more = keys[at : at + size], str(at + size) if len(keys) > at + size else ""
        else:
            moment, _, last = token.partition("!")
            since_text = stamp(datetime.fromisoformat(since[1])) if since else ""
            page = list(islice(table.by_time((moment, last), since_text), size + 1))
            more, page = (
                "" if len(page) <= size else f"{table.rows[page[size - 1]]['modifiedon']}!{page[size - 1]}",
                page[:size],
            )
        return page, [], self._link(question, entity, "nextLink", "skiptoken", more) if more else {}

    def _filtered(self, entity: str, condition: str) -> list[str]:
        """Return what a filter finds: one of several ids, or of several values of one column."""
        for shape, found in ((_BY_ID, self._by_ids), (_BY_VALUE, self._by_values)):
            parts, place = [], 0
            while one := shape.match(condition, place):
                parts.append((one[1], one[2]))
                place = one.end()
                if place == len(condition):
                    return found(entity, parts)
                if not condition.startswith(" or ", place):
                    break
                place += len(" or ")
        raise Refused(400, "0x80060888", f"Syntax error in '{condition}'.")

    def _by_ids(self, entity: str, parts: list[tuple[str, str]]) -> list[str]:
        keys = self.tables[entity].by_ids(key.lower() for _, key in parts)
        if keys and self.faults.strikes("vanish"):
            self.remove(entity, keys.pop(), by="user")
        return keys

    def _by_values(self, entity: str, parts: list[tuple[str, str]]) -> list[str]:
        for name in {name for name, _ in parts} - self.properties(entity).keys():
            raise Refused(400, "0x80060888", f"Could not find a property named '{name}' on type '{TYPE}.{entity}'.")
        return self.tables[entity].by_values(parts[0][0], (value.replace("''", "'") for _, value in parts))

    def _tracked(self, question: Question, entity: str, size: int) -> tuple[list[str], list[str], dict[str, str]]:
        """Return a page of changes: first what is there, by version, then what is gone."""
        if entity not in self.tracking:
            raise Refused(400, "0x80072491", f"Entity {entity} isn't enabled for change tracking.")
        for name in _UNTRACKED_OPTIONS:
            if f"${name}" in question.options:
                words = f'The "${name}" query parameter isn\'t supported when Change Tracking is enabled.'
                raise Refused(400, "0x80060888", words)
        table, start, upto, since = self.tables[entity], *self._position(question)
        changes = list(islice(table.updated(start, upto), size + 1)) if start < upto else []
        keys, gone = [key for _, key in changes[:size]], []
        if len(changes) > size:
            token = f"{changes[size - 1][0]}!{upto}!{since}"
            return keys, [], self._link(question, entity, "nextLink", "skiptoken", token)
        if since:
            gone = [key for _, key in table.removed(since, upto)]
        token = f"{upto}!{self.clock.now():%m/%d/%Y %H:%M:%S}"
        return keys, gone, self._link(question, entity, "deltaLink", "deltatoken", token)

    def _position(self, question: Question) -> tuple[int, int, int]:
        """Return the version behind which a page begins, and those where its pass ends and began; 0 with all."""
        if skip := question.options.get("$skiptoken"):
            after, upto, since = map(int, skip.split("!"))
            return after, upto, since
        token = question.options.get("$deltatoken")
        if token is None:
            return 0, self.versions.last, 0
        version, _, date = token.partition("!")
        over = self.clock.now() - datetime.strptime(date, "%m/%d/%Y %H:%M:%S") > timedelta(days=self.expiry_days)  # noqa: DTZ007
        if self.faults.strikes("stale_token") or (over and not self.forgiving):
            words = "Version stamp associated with the client has expired. Please perform a full sync."
            raise Refused(400, "0x80044352", words)
        return (0, self.versions.last, 0) if over else (int(version), self.versions.last, int(version))

    def _link(self, question: Question, entity: str, name: str, option: str, token: str) -> dict[str, str]:
        kept = [(key, question.options[key]) for key in ("$select", "$filter", "$orderby") if key in question.options]
        query = "&".join(f"{key}={quote(value, safe=',')}" for key, value in (*kept, (f"${option}", token)))
        return {f"@odata.{name}": f"{question.base}{API}/{SETS[entity]}?{query}"}

    # Writing

    def _post(self, question: Question, entity: str) -> Answer:
        return self._write(question, entity, str(uuid.UUID(int=self.faults.chance.getrandbits(128), version=4)))

    def _patch(self, question: Question, entity: str, key: str) -> Answer:
        return self._write(question, entity, key)

    def _write(self, question: Question, entity: str, key: str) -> Answer:
        try:
            row = self._held(question, entity, key)
            values = taken(entity, self.schema[entity], question.json, creating=row is None)
            selected = self._names(entity, question)
        except Refused as error:
            self.note("api", "refused", entity, key, {"code": error.code})
            raise
        if self.faults.strikes("reformat"):
            values = reformatted(self.schema[entity], values)
        values.pop(f"{entity}id", None)
        self.save(entity, key, values, by="api")
        address = f"{question.base}{API}/{SETS[entity]}({key})"
        if question.prefers("return") != "representation":
            return Answer(204, None, {"Location": address, "OData-EntityId": address})
        shown = self.shown(entity, [key], question)[0] if selected else {}
        body = {"@odata.context": self._context(question, entity, "/$entity"), **shown}
        return Answer(200 if row else 201, body, {"Preference-Applied": "return=representation"})

    def _held(self, question: Question, entity: str, key: str) -> Row | None:
        """Return the record as it is, where the conditions of a write hold."""
        row = self.tables[entity].rows.get(key)
        match, none = question.headers.get("if-match"), question.headers.get("if-none-match")
        if row is None and match:
            raise self._absent(entity, key)
        if row is not None and match not in (None, "*", f'W/"{row["version"]}"'):
            words = "The version of the existing record doesn't match the RowVersion property provided."
            raise Refused(412, "0x80060882", words)
        if row is not None and none == "*":
            raise Refused(412, "0x80040237", "A record with matching key values already exists.")
        return row

    def _delete(self, question: Question, entity: str, key: str) -> Answer:
        if self._held(question, entity, key) is None:
            raise self._absent(entity, key)
        self.remove(entity, key, by="api")
        return Answer(204)

    def save(self, entity: str, key: str, values: Row, *, by: str, modified: datetime | None = None) -> None:
        """Write a record, now or at another time; one that is committed late has an older one."""
        moment = modified or self.clock.now()
        if modified is None and self.faults.strikes("late_commit"):
            moment -= timedelta(seconds=self.faults.chance.randint(1, LATE_SECONDS))
        there = key in self.tables[entity].rows
        fresh: Row = (
            {} if there else {"statecode": 0, "statuscode": 1, "merged": False, "ownerid": ("systemuser", USER)}
        )
        self.tables[entity].put(key, {**fresh, **values}, stamp(moment))
        self.note(by, "updated" if there else "created", entity, key, values)

    def remove(self, entity: str, key: str, *, by: str) -> None:
        """Take a record away."""
        if self.tables[entity].remove(key):
            self.note(by, "deleted", entity, key, {})

    def note(self, by: str, action: str, entity: str, key: str, fields: Mapping[str, Any]) -> None:
        """Write into the journal."""
        self.journal.append(Entry(self.clock.now(), by, action, entity, key, fields))
