"""The calls of the fake Salesforce that read and write records. Each takes the world and a request; raises Refused."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from tests.fakes.salesforce_answers import JSON
from tests.fakes.salesforce_objects import FIELDS, PREFIXES
from tests.fakes.salesforce_soql import millis, parsed, stamp
from tests.fakes.salesforce_store import Record, Refused, checked, reformatted, rows
from tests.fakes.salesforce_world import World

DATA = "/services/data/v62.0"
MINUTE = 60_000
DELETIONS_KEPT = timedelta(days=15)
COLLECTION = 200
NOT_THERE = "The requested resource does not exist"


@dataclass
class Cursor:
    """What a query found when it was asked; its rows are read page by page, as they are then."""

    path: str
    found: Sequence[Record]
    columns: Sequence[str]
    gone: bool


class Api:
    """Reads and writes of records."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._cursors: dict[str, Cursor] = {}

    def forget_cursors(self) -> None:
        """Lose the place in every query."""
        self._cursors.clear()

    async def versions(self, _: Request) -> Response:
        """Tell the versions of the API."""
        known = self._world.versions
        return JSON([{"label": f"v{one}", "url": f"/services/data/v{one}", "version": one} for one in known])

    async def limits(self, _: Request) -> Response:
        """Tell what is left of today."""
        world = self._world
        return JSON({"DailyApiRequests": {"Max": world.total, "Remaining": world.total - world.used}})

    async def objects(self, _: Request) -> Response:
        """Tell the objects."""
        return JSON({"encoding": "UTF-8", "maxBatchSize": 200, "sobjects": [self._object(one) for one in FIELDS]})

    async def describe(self, request: Request) -> Response:
        """Tell an object and its fields."""
        entity = _entity(request)
        hidden = self._world.hidden.get(entity, ())
        fields = [one.described() for name, one in FIELDS[entity].items() if name not in hidden]
        return JSON({**self._object(entity), "fields": fields})

    def _object(self, entity: str) -> Mapping[str, Any]:
        return {"name": entity, "label": entity, "keyPrefix": PREFIXES[entity], "queryable": True, "custom": False}

    async def query(self, request: Request) -> Response:
        """Answer a query with its first page, or the next page of one; queryAll finds deleted records as well."""
        locator = request.path_params.get("locator")
        if locator is not None:
            name, _, start = str(locator).rpartition("-")
            cursor = self._cursors.get(name)
            if cursor is None:
                raise Refused("INVALID_QUERY_LOCATOR", "invalid query locator")
            if self._world.faults.strikes("page_moves"):
                self._world.move(cursor.found)
            return self._page(name, cursor, int(start))
        path = request.url.path.removeprefix(DATA).strip("/")
        gone = path == "queryAll"
        query = parsed(request.query_params.get("q", ""), self._world.hidden)
        found = self._world.store.found(query, gone=gone)
        if query.count:
            return JSON({"totalSize": len(found), "done": True, "records": []})
        name = f"01g{secrets.token_hex(8)}"
        self._cursors[name] = Cursor(path, found, query.columns, gone)
        return self._page(name, self._cursors[name], 0)

    def _page(self, name: str, cursor: Cursor, start: int) -> Response:
        world, end = self._world, start + self._world.page_size
        some = [one for one in cursor.found[start:end] if cursor.gone or one.deleted is None]
        told = rows(some, cursor.columns)
        body: dict[str, Any] = {"totalSize": len(cursor.found), "done": end >= len(cursor.found), "records": told}
        if body["done"]:
            self._cursors.pop(name, None)
        else:
            body["nextRecordsUrl"] = f"{DATA}/{cursor.path}/{name}-{end}"
        chance = world.faults.chance
        if told and world.faults.strikes("duplicate"):
            told.insert(chance.randrange(len(told)), chance.choice(told))
        if some and world.faults.strikes("vanish"):
            world.store.removed(chance.choice(some))
        return JSON(body)

    async def deleted(self, request: Request) -> Response:
        """Tell what was deleted in some minutes."""
        entity = _entity(request)
        start, end = (millis(request.query_params[one]) // MINUTE * MINUTE for one in ("start", "end"))
        now = self._world.clock.millis()
        if end - start < MINUTE:
            raise Refused("INVALID_REPLICATION_DATE", "startDate must precede endDate by more than one minute")
        if start < now - DELETIONS_KEPT // timedelta(milliseconds=1):
            raise Refused("INVALID_REPLICATION_DATE", "startDate cannot be that long ago")
        gone = [
            {"id": one.id, "deletedDate": stamp(one.deleted)}
            for one in self._world.store.tables[entity].records.values()
            if one.deleted is not None and start <= one.deleted < end
        ]
        earliest = round(self._world.earliest.timestamp() * 1000)
        covered = stamp(min(end, now // MINUTE * MINUTE))
        return JSON({"deletedRecords": gone, "earliestDateAvailable": stamp(earliest), "latestDateCovered": covered})

    async def create(self, request: Request) -> Response:
        """Make one record."""
        entity, values = _entity(request), orjson.loads(await request.body())
        record = self._made(entity, values)
        self._noted(request, entity, [{"id": record.id, "fields": values, "success": True}])
        return JSON({"id": record.id, "success": True, "errors": []}, 201)

    async def get(self, request: Request) -> Response:
        """Tell one record."""
        entity = _entity(request)
        record = self._there(entity, request.path_params["id"], status=404)
        names = request.query_params.get("fields", ",".join(FIELDS[entity])).split(",")
        return JSON(rows([record], [one for one in names if one not in self._world.hidden.get(entity, ())])[0])

    async def update(self, request: Request) -> Response:
        """Change one record."""
        entity, values = _entity(request), orjson.loads(await request.body())
        self._changed(self._there(entity, request.path_params["id"], status=404), values)
        self._noted(request, entity, [{"id": request.path_params["id"], "fields": values, "success": True}])
        return Response(status_code=204)

    async def delete(self, request: Request) -> Response:
        """Delete one record."""
        self._world.store.removed(self._there(_entity(request), request.path_params["id"], status=404))
        return Response(status_code=204)

    async def collection(self, request: Request) -> Response:
        """Make or change up to 200 records, each for itself."""
        body = orjson.loads(await request.body())
        if len(body["records"]) > COLLECTION:
            raise Refused("EXCEEDED_ID_LIMIT", f"record limit reached. cannot submit more than {COLLECTION} records")
        entity = ""
        for one in body["records"]:
            # What can't even be read has the whole call refused.
            entity = one["attributes"]["type"]
            self._parsed(entity, _fields(one), new=request.method == "POST")
        told = [self._one(one, new=request.method == "POST") for one in body["records"]]
        pairs = zip(body["records"], told, strict=True)
        noted = [{"id": done.get("id"), "fields": _fields(one), "success": done["success"]} for one, done in pairs]
        self._noted(request, entity, noted)
        return JSON(told)

    async def upserts(self, request: Request) -> Response:
        """Make or change up to 200 records by an external id, each for itself."""
        entity, name, body = _entity(request), str(request.path_params["field"]), orjson.loads(await request.body())
        field = FIELDS[entity].get(name)
        if field is None or not field.external:
            words = f"Provided external ID field does not exist or is not accessible: {name}"
            raise Refused("NOT_FOUND", words, status=404)
        for one in body["records"]:
            self._parsed(entity, _fields(one), new=True)
        told = [self._upserted(entity, name, _fields(one)) for one in body["records"]]
        pairs = zip(body["records"], told, strict=True)
        noted = [{"id": done.get("id"), "fields": _fields(one), "success": done["success"]} for one, done in pairs]
        self._noted(request, entity, noted)
        return JSON(told)

    def _upserted(self, entity: str, name: str, values: Mapping[str, Any]) -> Mapping[str, Any]:
        try:
            self._lock()
            record = self._same(entity, name, values.get(name))
            if record is not None:
                self._changed(record, values)
            made = record or self._made(entity, values)
        except Refused as error:
            return _failed(error)
        return {"id": made.id, "success": True, "errors": [], "created": record is None}

    def _same(self, entity: str, name: str, value: Any) -> Record | None:
        """Return the record that has an external id."""
        if not value:
            raise Refused("MISSING_ARGUMENT", f"{name} not specified", name)
        alive = self._world.store.alive(entity)
        same = [one for one in alive if str(one.values[name] or "").casefold() == value.casefold()]
        if len(same) > 1:
            ids = ", ".join(one.id for one in same)
            raise Refused("DUPLICATE_EXTERNAL_ID", f"more than one record found for external id field: [{ids}]", name)
        return same[0] if same else None

    def _one(self, told: Mapping[str, Any], *, new: bool) -> Mapping[str, Any]:
        entity, values = told["attributes"]["type"], _fields(told)
        id_: str = told.get("id") or told.get("Id") or ""
        try:
            self._lock()
            if new:
                id_ = self._made(entity, values).id
            else:
                self._changed(self._there(entity, id_), values)
        except Refused as error:
            return {**({} if new else {"id": id_}), **_failed(error)}
        return {"id": id_, "success": True, "errors": []}

    def _lock(self) -> None:
        if self._world.faults.strikes("partial"):
            raise Refused("UNABLE_TO_LOCK_ROW", "unable to obtain exclusive access to this record")

    def _parsed(self, entity: str, values: Mapping[str, Any], *, new: bool) -> None:
        if entity not in FIELDS:
            raise Refused("INVALID_TYPE", f"sObject type '{entity}' is not supported.")
        try:
            checked(entity, values, new=new, hidden=self._world.hidden.get(entity, ()))
        except Refused as error:
            if error.whole:
                raise

    def _taken(self, entity: str, values: Mapping[str, Any], *, new: bool) -> Mapping[str, Any]:
        taken = checked(entity, values, new=new, hidden=self._world.hidden.get(entity, ()))
        account = taken.get("AccountId")
        if account is not None and self._world.store.get("Account", account) is None:
            raise Refused("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", "AccountId")
        return reformatted(entity, taken) if self._world.faults.strikes("reformat") else taken

    def _made(self, entity: str, values: Mapping[str, Any]) -> Record:
        return self._world.store.made(entity, self._taken(entity, values, new=True))

    def _changed(self, record: Record, values: Mapping[str, Any]) -> None:
        taken = self._taken(record.entity, values, new=False)
        if record.values.get("IsConverted"):
            raise Refused("CANNOT_UPDATE_CONVERTED_LEAD", "cannot reference converted lead")
        self._world.store.changed(record, taken)

    def _there(self, entity: str, id_: str, *, status: int = 400) -> Record:
        record = self._world.store.get(entity, id_)
        if record is None:
            code, words = (
                ("NOT_FOUND", NOT_THERE)
                if status == 404
                else ("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")
            )
            raise Refused(code, words, status=status)
        if record.deleted is not None:
            raise Refused("ENTITY_IS_DELETED", "entity is deleted", status=status)
        return record

    def _noted(self, request: Request, entity: str, records: Sequence[Mapping[str, Any]]) -> None:
        client = request.headers.get("sforce-call-options", "").removeprefix("client=")
        document = {"method": request.method, "path": request.url.path, "entity": entity, "records": list(records)}
        self._world.wrote(client, document)


def _entity(request: Request) -> str:
    entity = str(request.path_params["entity"])
    if entity not in FIELDS:
        raise Refused("NOT_FOUND", NOT_THERE, status=404)
    return entity


def _failed(error: Refused) -> dict[str, Any]:
    failed = {"statusCode": error.code, "message": error.message, "fields": error.fields}
    return {"success": False, "errors": [failed]}


def _fields(told: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in told.items() if name not in ("attributes", "id", "Id")}
