"""What stories of imports do: make, map, run and follow one as a client does."""

from typing import Any

from tests.api import ERRORS, Api

IMPORT = """id fileName format target personType state mode detected { charset delimiter sheet notices }
  columns { name samples suggestion } mapping { column field format } duplicates tag
  counts { rows processed created updated promoted unchanged skipped failed }
  rowErrors(first: 100) { nodes { row column message values } totalCount }
  errorGroups { message column rows samples } reverted { deleted restored kept } createdAt startedAt finishedAt"""
CREATE = f"mutation($input: CreateImportInput!) {{ createImport(input: $input) {{ import {{ {IMPORT} }} {ERRORS} }} }}"
MAP = f"""mutation($id: ID!, $input: MapImportInput!) {{
  mapImport(id: $id, input: $input) {{ import {{ {IMPORT} }} {ERRORS} }} }}"""
RUN = f"mutation($id: ID!, $mode: ImportMode!) {{ runImport(id: $id, mode: $mode) {{ import {{ state }} {ERRORS} }} }}"
CANCEL = f"mutation($id: ID!) {{ cancelImport(id: $id) {{ import {{ state }} {ERRORS} }} }}"
REVERT = f"mutation($id: ID!) {{ revertImport(id: $id) {{ import {{ state }} {ERRORS} }} }}"
ONE = f"query($id: ID!) {{ import(id: $id) {{ {IMPORT} }} }}"
PROGRESS = f"subscription($id: ID!) {{ importProgress(id: $id) {{ import {{ {IMPORT} }} }} }}"
HISTORY = """query($first: Int, $after: Cursor) {
  imports(first: $first, after: $after) { nodes { id state } pageInfo { endCursor } } }"""

Import = dict[str, Any]


async def created(api: Api, content: str | None, **more: Any) -> Import:
    """Make an import of a text that can be read, or of what was uploaded."""
    payload = await api(CREATE, input={"content": content, **more})
    assert payload["errors"] == [], payload
    made: Import = payload["import"]
    return made


async def mapped(api: Api, one: Import, fields: dict[str, str] | None = None, **more: Any) -> Import:
    """Map an import; by what is suggested where nothing is said."""
    wanted = fields or {column["name"]: column["suggestion"] for column in one["columns"] if column["suggestion"]}
    mapping = [{"column": column, "field": field} for column, field in wanted.items()]
    payload = await api(MAP, id=one["id"], input={"mapping": mapping, **more})
    assert payload["errors"] == [], payload
    done: Import = payload["import"]
    return done


async def followed(api: Api, import_id: str) -> list[Import]:
    """Return what is told of an import until nobody works on it any more."""
    steps = []
    async with api.live(PROGRESS, id=import_id) as socket:
        while (message := await socket.next())["type"] == "next":
            steps.append(message["payload"]["data"]["importProgress"]["import"])
    return steps


async def ran(api: Api, one: Import, mode: str = "COMMIT") -> Import:
    """Run an import to its end."""
    payload = await api(RUN, id=one["id"], mode=mode)
    assert payload["errors"] == [], payload
    return (await followed(api, one["id"]))[-1]


async def reverted(api: Api, one: Import) -> Import:
    """Take an import back."""
    payload = await api(REVERT, id=one["id"])
    assert payload["errors"] == [], payload
    return (await followed(api, one["id"]))[-1]


async def imported(api: Api, content: str, fields: dict[str, str] | None = None, **more: Any) -> Import:
    """Import a text; `more` goes where it belongs."""
    making = {name: more.pop(name) for name in ("target", "personType", "fileName", "format") if name in more}
    return await ran(api, await mapped(api, await created(api, content, **making), fields, **more))
