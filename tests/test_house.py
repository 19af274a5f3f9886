"""The rules of the house that ruff, mypy and import-linter don't check, read from the code itself."""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.graph.enums import ErrorCode
from app.mongo.indexes import INDEXES

ROOT = Path(__file__).parents[1]
FILE_LINES = 400
FUNCTION_LINES = 40
FIELD_LINES = 8
POSITIONAL_ARGUMENTS = 5
NESTING = 3
DOCSTRING_LINES = 5
MODULES = sorted((ROOT / "app").rglob("*.py"))
# Parsed where tests are collected: later a finalizer may format a traceback in the middle, which parses as well, and
# Python 3.11 then loses count of its depth (SystemError).
TREES = {str(path.relative_to(ROOT)): ast.parse(path.read_text()) for path in MODULES}
ALL_FILES = [*MODULES, *sorted((ROOT / "tests").rglob("*.py")), *sorted((ROOT / "benchmarks").rglob("*.py"))]

Function = ast.FunctionDef | ast.AsyncFunctionDef
# What branches or repeats; a `with` only holds.
BLOCKS = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.Try, ast.Match)


def functions() -> Iterator[tuple[str, Function]]:
    """Give each function of the service with the place where it stands."""
    for name, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, Function):
                yield f"{name}:{node.lineno} {node.name}", node


def lines(node: Function) -> int:
    """Count the lines of a function from its `def` to its end."""
    return (node.end_lineno or node.lineno) - node.lineno + 1


def body_lines(node: Function) -> int:
    """Count the lines of a function's body without its docstring."""
    body = node.body[1:] if ast.get_docstring(node) is not None else node.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def depth(statements: list[ast.stmt]) -> int:
    """Count how deep blocks stand inside each other; an `elif` stands beside its `if`."""
    deepest = 0
    for one in statements:
        if isinstance(one, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            continue
        deepest = max(deepest, isinstance(one, BLOCKS) + max((depth(block) for block in _blocks(one)), default=0))
    return deepest


def _blocks(node: ast.stmt) -> Iterator[list[ast.stmt]]:
    """Give the blocks of a statement; those of an `elif` one step up, where it is read."""
    yield getattr(node, "body", [])
    for handler in getattr(node, "handlers", []):
        yield handler.body
    for case in getattr(node, "cases", []):
        yield case.body
    yield getattr(node, "finalbody", [])
    rest = getattr(node, "orelse", [])
    if isinstance(node, ast.If) and len(rest) == 1 and isinstance(rest[0], ast.If):
        yield from _blocks(rest[0])
    else:
        yield rest


def is_field(node: Function) -> bool:
    """Tell a resolver of a GraphQL field: it is given `info`."""
    return any(one.arg == "info" and ast.unparse(one.annotation or one) == "Info" for one in node.args.args)


def test_files_are_short() -> None:
    """Of the service, the tests and the benchmarks."""
    counts = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in ALL_FILES}
    assert {name: count for name, count in counts.items() if count > FILE_LINES} == {}


def test_functions_are_short() -> None:
    """From `def` to the end."""
    assert [place for place, node in functions() if lines(node) > FUNCTION_LINES] == []


def test_fields_translate_and_nothing_else() -> None:
    """A GraphQL field takes the input apart, calls one verb, puts the answer together."""
    fields = [(place, node) for place, node in functions() if is_field(node)]
    assert fields
    assert [place for place, node in fields if body_lines(node) > FIELD_LINES] == []


def test_arguments_beyond_five_are_named() -> None:
    """`self` is not counted; fields of the contract have the contract's arguments."""
    long = []
    for place, node in functions():
        positional = [one.arg for one in (*node.args.posonlyargs, *node.args.args) if one.arg not in {"self", "cls"}]
        if len(positional) > POSITIONAL_ARGUMENTS and not is_field(node):
            long.append(place)
    assert long == []


def test_nesting_is_shallow() -> None:
    """At most three blocks inside each other."""
    assert [place for place, node in functions() if depth(node.body) > NESTING] == []


def test_imports_stand_at_the_top() -> None:
    """None inside a function: it would hide a cycle; but for the command line, which nothing imports, to be quick."""
    inside = [
        f"{place} line {one.lineno}"
        for place, node in functions()
        if not place.startswith("app/cli.py")
        for one in ast.walk(node)
        if isinstance(one, (ast.Import, ast.ImportFrom))
    ]
    assert inside == []


def test_every_module_says_what_it_promises() -> None:
    """In one to five lines."""
    bad = []
    for name, tree in TREES.items():
        text = ast.get_docstring(tree)
        if text is None or len(text.splitlines()) > DOCSTRING_LINES:
            bad.append(name)
    assert bad == []


def imports(name: str) -> set[str]:
    """Return the modules of `app` that a module imports, by file."""
    found = set()
    for node in ast.walk(TREES[name]):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("app"):
            candidates = [node.module, *[f"{node.module}.{one.name}" for one in node.names]]
        elif isinstance(node, ast.Import):
            candidates = [one.name for one in node.names]
        else:
            continue
        for one in candidates:
            path = one.replace(".", "/") + ".py"
            if path in TREES:
                found.add(path)
    return found


def test_no_module_imports_itself_by_a_detour() -> None:
    """A cycle shows as modules that are left over when those without open imports are taken away again and again."""
    graph = {name: imports(name) for name in TREES}
    while free := [name for name, wants in graph.items() if not wants & graph.keys()]:
        for name in free:
            del graph[name]
    assert graph == {}


def test_nobody_imports_the_composition_root() -> None:
    """Only what starts it: the serving process, several of them, who works beside it, and the command line."""
    starters = {"app/serving.py", "app/cli.py", "app/crew.py", "app/worker.py", "app/aside.py"}
    assert {name for name in TREES if "app/main.py" in imports(name)} <= starters


def test_stores_are_private_to_their_rooms() -> None:
    """Another room asks the service; the composition root builds both."""
    guests = []
    for name in TREES:
        for other in imports(name):
            room, _, file = other.rpartition("/")
            if file == "store.py" and not name.startswith(f"{room}/") and name != "app/main.py":
                guests.append(f"{name} imports {other}")
    assert guests == []


def test_rules_neither_wait_nor_import_the_driver() -> None:
    """Pure files: models, wishes, plans, checks and values have no `await` in them."""
    pure = re.compile(r"/(model|wish|plan|checks|values|definitions|items|precheck|cost)\.py$")
    waiting = [
        name
        for name, tree in TREES.items()
        if pure.search(name) and any(isinstance(node, ast.AsyncFunctionDef | ast.Await) for node in ast.walk(tree))
    ]
    assert waiting == []


def test_time_and_chance_come_through_core() -> None:
    """So that tests can hold them still; loop clocks for waiting are no such time."""
    pattern = re.compile(r"\b(datetime\.now|datetime\.utcnow|time\.time\(|uuid\.uuid|random\.)")
    allowed = {"app/core/clock.py", "app/core/ids.py", "app/core/chance.py", "app/demo.py", "app/demodata.py"}
    hits = [
        f"{name}: {found[0]}"
        for name in TREES
        if name not in allowed and (found := pattern.search((ROOT / name).read_text()))
    ]
    assert hits == []


def test_errors_are_found_not_silenced() -> None:
    """No bare `except`, and none whose body is only `pass`."""
    silent = [
        f"{name}:{node.lineno}"
        for name, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or all(isinstance(one, ast.Pass) for one in node.body))
    ]
    assert silent == []


def test_every_code_of_a_refusal_is_one_of_the_schemas() -> None:
    """One that is not would be an internal error at the very moment when somebody is to be told."""
    said = {
        node.value
        for name, tree in TREES.items()
        if not name.startswith(("app/graph", "app/web"))
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "Refused" and call.args
        for node in ast.walk(call.args[0])
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.isupper()
    }
    assert "NO_IDENTIFIER" in said
    assert said - set(ErrorCode.__members__) == set()


def test_the_rooms_are_those_of_the_readme() -> None:
    """A room that the table leaves out is one that nobody finds."""
    told = set(re.findall(r"^\| `(\w+)` \|", (ROOT / "README.md").read_text(), re.MULTILINE))
    assert told == {path.name for path in (ROOT / "app").iterdir() if (path / "__init__.py").exists()}


def test_every_room_has_its_place_in_the_contract() -> None:
    """The layers of the import contract are the rooms, each once."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = [room for layer in contracts[0]["layers"] for room in layer.split(" | ")]
    assert sorted(layers) == sorted(f"app.{path.parent.name}" for path in (ROOT / "app").glob("*/__init__.py"))


def test_every_index_says_which_query_rides_it() -> None:
    """In a comment on its line; those of small collections by account need none."""
    text = (ROOT / "app" / "mongo" / "indexes.py").read_text()
    by_account = '("account", 1), ("_id", 1)),)'
    declared = [line for line in text.splitlines() if '(("' in line]
    assert len(declared) == sum(len(wanted) for wanted in INDEXES.values())
    assert [line.strip() for line in declared if "# " not in line and by_account not in line] == []


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-dev.lock"])
def test_locks_pin_hashes_and_name_no_host(lock: str) -> None:
    """Every package with its hashes; the address of an index is the machine's affair."""
    text = (ROOT / lock).read_text()
    assert "://" not in text
    packages = re.findall(r"^[a-z0-9][\w.\[\]-]*==", text, re.MULTILINE)
    assert len(packages) > 20
    assert len(re.findall(r"^[a-z0-9][\w.\[\]-]*==[^\n]*\\\n    --hash=sha256:", text, re.MULTILINE)) == len(packages)
