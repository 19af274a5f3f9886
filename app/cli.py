"""The command line: `profiles serve`, `demo`, `import`, `worker`, `accounts`, `keys`, `check`, `schema`, `config`.

Errors are one line on stderr and status 1; bad usage is status 2; no traceback.
"""
# Each command imports what it needs when it runs: the service takes seconds, and who mistypes is told at once.

import asyncio
import difflib
import gc
import sys
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import asdict
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import orjson
import typer
import uvloop

from app import importing_options as options
from app.core import clock
from app.core.actor import Scope
from app.core.errors import Fault, Refusals, Refused, Unable
from app.settings import WORKERS_MAX, BadSettings, Settings

if TYPE_CHECKING:
    from app.access.model import ApiKey
    from app.access.service import Access
    from app.claims.audit import Finding
    from app.serving import Front

T = TypeVar("T")

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
accounts_app = typer.Typer(no_args_is_help=True, help="Accounts of the service.")
keys_app = typer.Typer(no_args_is_help=True, help="API keys of an account.")
app.add_typer(accounts_app, name="accounts")
app.add_typer(keys_app, name="keys")


def _version(*, wanted: bool) -> None:
    if wanted:
        _say(version("customer-profiles"))
        raise typer.Exit


@app.callback()
def about(
    *,
    _: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")] = False,
) -> None:
    """Keep the memory of a business about its people."""


# Objects made since the last look of the collector: answers are many small ones, and hardly ever in a cycle. Tens of
# thousands that a batch holds cost a tenth of its time, all that is imported a fifth of the start.
COLLECT_AFTER = (100_000, 20, 20)
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
DEMO_KEY = "demo"


def main() -> None:
    """Run the command line; the one place that turns exceptions into a line and a status."""
    gc.set_threshold(*COLLECT_AFTER)
    try:
        app()
    except (BadSettings, Unable) as error:
        _fail(str(error))
    except Refused as refused:
        _fail(refused.message)
    except Refusals as refusals:
        _fail("; ".join(one.message for one in refusals.refusals))
    except Fault as fault:
        _fail(fault.message)


def _fail(message: str) -> None:
    print(message, file=sys.stderr)
    sys.exit(1)


def _run(work: Coroutine[Any, Any, T]) -> T:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


def _say(line: str) -> None:
    print(line, flush=True)


def _show(value: Any) -> None:
    _say(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode())


# ---------------------------------------------------------------- serving


@app.command()
def serve(
    *,
    demo: Annotated[
        bool, typer.Option(help="Fill the account with sample data, and keep some activity going.")
    ] = False,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")] = None,
    workers: Annotated[int | None, typer.Option(min=1, max=WORKERS_MAX, help="Processes that serve.")] = None,
) -> None:
    """Serve; prints the address of GraphiQL, where the data are, and on an empty store the first admin key."""
    from app import crew, serving
    from app.web import log

    settings = Settings.load(host=host, port=port, workers=workers)
    log.configure(settings.log)
    greet, beside = partial(_greet, settings), [_live_demo] if demo else []
    if settings.workers > 1:
        _run(crew.serve(settings, greet, *beside))
        return
    listening = serving.bound(settings.host, settings.port)
    try:
        _run(serving.serve(settings, listening, greet, *beside))
    finally:
        listening.close()


@app.command(hidden=True)
def work(place: str) -> None:
    """Serve as one of several workers; `serve` starts them."""
    from app import worker
    from app.web import log

    settings = Settings.load()
    log.configure(settings.log, pieces=True)
    _run(worker.work(settings, worker.Place.of(place)))


async def _greet(settings: Settings, front: "Front") -> None:
    text = await front.access.first_key()
    lines = [] if front.store.kept else ["Nothing is kept: all data are in memory, and gone when the service stops."]
    lines.append(f"{'GraphiQL ' if settings.graphiql else 'GraphQL  '}  {front.url}/graphql")
    lines += [f"Workers    {settings.workers}"] if settings.workers > 1 else []
    lines.append(f"Data       {front.store.description}")
    if text is not None:
        lines += [f"Admin key  {text}", "           shown this once; more by `profiles keys create`"]
    _say("\n".join(lines))


async def _live_demo(front: "Front") -> None:
    """Fill the default account through the public API, with a key that lives as long as the demo."""
    from app.demo import DemoError, demonstrate

    access = front.access
    account = next(iter(await access.accounts()))
    scopes = [Scope.PEOPLE_READ, Scope.PEOPLE_MANAGE, Scope.EVENTS_WRITE]
    key, text, _ = await access.create_key(account.id, DEMO_KEY, scopes)
    try:
        await demonstrate(front.url, text, 2.0, _say)
    except DemoError as error:
        print(f"The demo stopped: {error}", file=sys.stderr, flush=True)
    finally:
        await access.revoke_key(account.id, key.id)


@app.command()
def demo(
    *,
    url: Annotated[str, typer.Option(help="Address of the service.")] = "http://127.0.0.1:8000",
    key: Annotated[str, typer.Option(help="A key with PEOPLE_READ, PEOPLE_MANAGE and EVENTS_WRITE.")] = "",
    rate: Annotated[float, typer.Option(min=0.01, max=1000, help="Activity per second once it is filled.")] = 2.0,
) -> None:
    """Fill an account with believable data through the public API, then keep some activity going."""
    from app.demo import demonstrate, until_interrupted

    if not _run(until_interrupted(demonstrate(url, _key_text(key), rate, _say))):
        _say("Stopped.")


def _key_text(given: str) -> str:
    """Return the key that is given, or that of the settings."""
    admin = Settings.load().admin_key
    if not given and admin is None:
        raise typer.BadParameter("Give a key by --key or PROFILES_ADMIN_KEY.")
    return given or (admin.get_secret_value() if admin else "")


@app.command("import")
def import_file(  # noqa: PLR0913 - the options, one by one
    file: options.File,
    *,
    mapping: options.Map = None,
    target: options.Target = options.TargetKind.person,
    kind: options.Type = None,
    duplicates: options.Duplicates = options.DuplicateKind.rewrite,
    tag: options.Tag = None,
    no_tag: options.NoTag = False,
    dry_run: options.DryRun = False,
    errors: options.Errors = None,
    yes: options.Yes = False,
    url: options.Url = "http://127.0.0.1:8000",
    key: options.Key = "",
    as_json: AsJson = False,
) -> None:
    """Import a file through the public API; exits 3 where some rows failed."""
    from app import importing

    handling = options.handling(duplicates, tag, no_tag=no_tag)
    making = options.making(target, kind)
    wanted = importing.Wanted(file, options.entries(mapping), making, handling, dry=dry_run, errors=errors)
    one = _run(importing.imported(url, _key_text(key), wanted, yes=yes))
    if as_json and one is not None:
        _show(one)
    else:
        _say("\n".join(importing.report(one)) if one else "Stopped: nothing was imported.")
    sys.exit(importing.status(one))


@app.command()
def worker() -> None:
    """Run queued imports beside the service, until it is told to stop."""
    from app import aside
    from app.web import log

    settings = Settings.load()
    log.configure(settings.log)
    _run(aside.work(settings, _say))


@app.command()
def check(
    *,
    repair: Annotated[bool, typer.Option(help="Mend what can be mended.")] = False,
    as_json: AsJson = False,
) -> None:
    """Look whether everything on the store agrees; exits 1 where something is wrong and not mended."""
    found = _run(_checked(repair=repair))
    if as_json:
        _show([asdict(one) for one in found])
    else:
        for one in found:
            _say(f"{one.problem}  {one.account}  {one.subject}  {one.detail}{'; mended' if one.mended else ''}")
        _say(f"{len(found)} found." if found else "Nothing is wrong.")
    if not all(one.mended for one in found):
        sys.exit(1)


async def _checked(*, repair: bool) -> "list[Finding]":
    from app.claims.audit import Finding
    from app.mongo import indexes
    from app.persons.audit import audit
    from app.stores import open_settings_store

    store = await open_settings_store(Settings.load(), share=True, prepare=False)
    try:
        found = [Finding("MISSING_INDEX", "-", "-", line, repair) for line in await indexes.check(store.engine)]
        if repair and found:
            await store.engine.ensure(indexes.INDEXES)
        return found + [one async for one in audit(store.engine, repair=repair)]
    finally:
        await store.close()


# ---------------------------------------------------------------- accounts and keys


async def _with_access(work: Callable[["Access"], Awaitable[T]]) -> T:
    from app.access.service import Access
    from app.stores import open_settings_store

    settings = Settings.load()
    store = await open_settings_store(settings, share=True)
    try:
        access = Access(store.engine, secret=settings.secret.get_secret_value() if settings.secret else None)
        await access.open()
        return await work(access)
    finally:
        await store.close()


@accounts_app.command("create")
def create_account(
    name: Annotated[str, typer.Argument(help="The account's name.")], *, as_json: AsJson = False
) -> None:
    """Make an account; prints its id and its first admin key."""
    account, _, text = _run(_with_access(lambda access: access.create_account(name)))
    if as_json:
        _show({"id": account.id, "name": account.name, "key": text})
    else:
        _say(f"Account    {account.id}\nAdmin key  {text}\n           shown this once")


@accounts_app.command("list")
def list_accounts(*, as_json: AsJson = False) -> None:
    """List the accounts, oldest first."""
    found = _run(_with_access(lambda access: access.accounts()))
    if as_json:
        _show([{"id": one.id, "name": one.name, "createdAt": clock.text(one.created_at)} for one in found])
    for one in () if as_json else found:
        _say(f"{one.id}  {clock.text(one.created_at)}  {one.name}")


@keys_app.command("create")
def create_key(
    *,
    account: Annotated[str, typer.Option(help="Id of the account.")],
    name: Annotated[str, typer.Option(help="What the key is for.")],
    scope: Annotated[list[Scope], typer.Option(help="What it may do; several are possible.")],
    strict: Annotated[bool, typer.Option(help="Join known persons on signed tokens alone.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make a key; it is shown this once."""

    async def work(access: "Access") -> "tuple[ApiKey, str, str | None]":
        if await access.account(account) is None:
            raise Refused("NOT_FOUND", f"There is no account {account}.")
        return await access.create_key(account, name, scope, strict_identity=strict)

    key, text, identity = _run(_with_access(work))
    if as_json:
        _show({**_key(key), "key": text, "identitySecret": identity})
        return
    _say(f"Key              {text}\n                 shown this once")
    if identity is not None:
        _say(f"Identity secret  {identity}")


@keys_app.command("list")
def list_keys(*, account: Annotated[str, typer.Option(help="Id of the account.")], as_json: AsJson = False) -> None:
    """List an account's keys, newest first."""
    found = [_key(one) for one in _run(_with_access(lambda access: access.keys(account)))]
    if as_json:
        _show(found)
    for one in () if as_json else found:
        state = "revoked" if one["revokedAt"] else "good"
        _say(f"{one['id']}  {one['prefix']}  {state:7}  {','.join(one['scopes'])}  {one['name']}")


@keys_app.command("revoke")
def revoke_key(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="Id of the key.")], *, as_json: AsJson = False
) -> None:
    """Revoke a key: it opens nothing any more, and its sockets are closed within 5 seconds."""
    key = _key(_run(_with_access(lambda access: access.revoke_any(key_id))))
    if as_json:
        _show(key)
    else:
        _say(f"{key['id']} is revoked.")


def _key(key: "ApiKey") -> dict[str, Any]:
    moments = {"createdAt": key.created_at, "lastUsedAt": key.last_used_at}
    moments |= {"expiresAt": key.expires_at, "revokedAt": key.revoked_at}
    return {
        "id": key.id,
        "account": key.account,
        "name": key.name,
        "prefix": key.prefix,
        "scopes": [scope.value for scope in key.scopes],
        "strictIdentity": key.strict_identity,
        **{name: clock.text(moment) if moment else None for name, moment in moments.items()},
    }


# ---------------------------------------------------------------- looking


@app.command()
def schema(
    *, check: Annotated[Path | None, typer.Option(help="Compare with this file; status 1 where it differs.")] = None
) -> None:
    """Print the schema."""
    from app.graph.schema import sdl

    text = sdl()
    if check is None:
        sys.stdout.write(text)
        return
    kept = check.read_text() if check.exists() else ""
    if kept == text:
        return
    lines = difflib.unified_diff(kept.splitlines(), text.splitlines(), str(check), "the code", lineterm="", n=1)
    for line in lines:
        _say(line)
    sys.exit(1)


@app.command()
def config(*, as_json: AsJson = False) -> None:
    """Print the effective settings, secrets hidden."""
    described = Settings.load().described()
    if as_json:
        _show(described)
    for name, value in [] if as_json else described.items():
        _say(f"{name}={'' if value is None else value}")


if __name__ == "__main__":
    main()
