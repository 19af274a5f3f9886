"""One door for all transports: a request comes in as text and values, an answer or a stream goes out.

What never ran is refused with a status and codes; what ran answers with data and the errors of its fields.
"""

import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from inspect import isawaitable
from typing import Any

import orjson
from graphql import GraphQLError, GraphQLSchema, execute
from graphql.execution.values import VariableValues

from app.access.load import Load
from app.core.actor import Actor, Scope
from app.core.deadline import Deadlines
from app.core.errors import Fault, forbidden
from app.graph import compiled, faults
from app.graph.access import needed
from app.graph.context import Context
from app.graph.cost import within
from app.graph.document import Document, Documents, Operation
from app.graph.executor import Run
from app.graph.following import Following, Progress, begun
from app.graph.plan import Planner, Slot
from app.graph.services import Services
from app.graph.sharing import Shared
from app.live.hub import Hub
from app.live.seat import AtOnce, Closing, OnSlow
from app.live.topic import Frame, Moment

OPERATION_SECONDS = 30.0
# Units that a document takes from its key's rate where it is refused.
REFUSED_COST = 20
# From so much on it is worth to look whether others ask the same right now: lists do, single things rarely.
SHARED_COST = 10
PLANS_PER_OPERATION = 16
INTROSPECTION = ("__schema", "__type", "__typename")


# Of variables: what they are, or what is wrong with them.
Values = VariableValues | list[GraphQLError]


@dataclass(slots=True)
class Request:
    """What a client sent; `name` chooses among several operations of the text."""

    query: str
    variables: dict[str, Any] | None = None
    name: str | None = None


@dataclass(slots=True)
class Answer:
    """What a client gets. `ran` tells whether anything was executed; `codes` are those of the errors, for the log."""

    body: bytes
    status: int = 200
    ran: bool = True
    kind: str = ""
    name: str | None = None
    codes: Sequence[str] = ()
    retry_after: int | None = None
    cost: int = 0


class Rejected(Exception):  # noqa: N818 - read as what it says
    """A request that never ran."""

    def __init__(self, errors: list[dict[str, Any]], status: int) -> None:
        super().__init__(errors[0]["extensions"]["code"])
        self.errors = errors
        self.status = status

    @property
    def codes(self) -> list[str]:
        """The codes of its errors."""
        return [error["extensions"]["code"] for error in self.errors]

    @property
    def retry_after(self) -> int | None:
        """Seconds to wait, where waiting helps."""
        wait: int | None = self.errors[0]["extensions"].get("retryAfter")
        return wait


def rejected(fault: Fault, path: faults.Path | None = None) -> Rejected:
    """Return the rejection by a fault."""
    return Rejected([faults.entry(fault, path)], max(fault.status, 400))


@dataclass(slots=True)
class Stream:
    """A subscription that has begun: its encoded payloads, and what makes a cursor of a position of the hub."""

    payloads: AsyncGenerator[str, None]
    seal: Callable[[str], str]


@dataclass(slots=True)
class Ready:
    """An operation with everything worked out but its variables' values."""

    document: Document
    operation: Operation
    plan: Sequence[Slot]
    guards: Sequence[tuple[str, tuple[Scope, ...]]]
    variables: VariableValues
    cost: int
    raw: dict[str, Any] = field(default_factory=dict)


class Operations:
    """The operations of one schema on one set of services."""

    def __init__(
        self,
        schema: GraphQLSchema,
        services: Services,
        hub: Hub,
        *,
        introspection: bool = True,
        take: Callable[[str, int], None] = lambda _key, _cost: None,
        load: Load | None = None,
    ) -> None:
        self.documents = Documents(schema)
        self._schema = schema
        self._services = services
        self._hub = hub
        self._introspection = introspection
        self.take = take
        self.load = load or Load()
        self.deadlines = Deadlines()
        self._shared: Shared[Answer] = Shared(lambda answer: not answer.codes)

    def prepare(self, actor: Actor, request: Request, read: Values | None = None) -> Ready:
        """Return the operation ready to run for this actor, with variables that are read or were; raises Rejected."""
        document = self.documents.get(request.query)
        try:
            if document.refusal or document.errors:
                # To find out that it is wrong has cost more than most operations do.
                self.take(actor.key, REFUSED_COST)
            if document.refusal:
                raise document.refusal
            if document.errors:
                raise Rejected(faults.refused(document.errors, document.code), 400)
            operation = document.operation(request.name)
            variables = operation.coercer.coerce(request.variables) if read is None else read
            if isinstance(variables, list):
                raise Rejected(faults.refused(variables, "BAD_VARIABLES"), 400)
            cost = within(operation.cost, variables.coerced)
            if document.introspects and not self._introspection:
                raise forbidden("Introspection is switched off.")
            plan, guards = self._planned(document, operation, variables)
            self.take(actor.key, cost)
        except Fault as fault:
            raise rejected(fault) from fault
        if Scope.ADMIN not in actor.scopes:
            _check(actor, guards)
        return Ready(document, operation, plan, guards, variables, cost, request.variables or {})

    def held(self, actor: Actor, request: Request) -> Ready | None:
        """Return a query that may need no task and has nothing wrong with it, else None. Nothing is taken."""
        operation = self.documents.held(request.query, request.name)
        if operation is None or not operation.direct:
            return None
        variables = operation.coercer.coerce(request.variables)
        if isinstance(variables, list):
            return None
        document = self.documents.get(request.query)
        plan, guards = self._planned(document, operation, variables)
        if not all(actor.may(*scopes) for _, scopes in guards):
            return None
        cost = within(operation.cost, variables.coerced)
        return Ready(document, operation, plan, guards, variables, cost, request.variables or {})

    def _planned(self, document: Document, operation: Operation, variables: VariableValues) -> Any:
        key = tuple(variables.coerced.get(name) for name in operation.switches) if operation.switches else ()
        found = operation.plans.get(key)
        if found is None:
            if len(operation.plans) >= PLANS_PER_OPERATION:
                operation.plans.clear()
            switches = dict(zip(operation.switches, key, strict=True))
            planner = Planner(self._schema, document.fragments, switches)
            root = self._schema.get_root_type(operation.node.operation)
            assert root is not None  # noqa: S101 - it is a valid operation
            names = {one.name.value: one for one in operation.node.selection_set.selections if hasattr(one, "name")}
            plan = () if document.introspects else planner.plan(root, [operation.node.selection_set])
            compiled.ready(plan)
            roots = [(slot.key, slot.name) for slot in plan] or [(name, name) for name in names]
            guards = [(key, needed(operation.kind, name)) for key, name in roots if not name.startswith("__")]
            found = operation.plans[key] = (plan, guards)
            operation.direct = operation.direct or (operation.kind == "query" and compiled.direct(plan))
        return found

    # ------------------------------------------------------------ queries and mutations

    async def answer(self, actor: Actor, request: Request, request_id: str) -> Answer:
        """Run a query or a mutation; whatever is wrong is in the answer."""
        try:
            ready = self.prepare(actor, request, await self._long(request))
        except Rejected as refusal:
            return self.refusal(refusal)
        if ready.operation.kind == "subscription":
            message = "Subscriptions are served over websocket, or over POST with `Accept: text/event-stream`."
            return self.refusal(rejected(Fault("VALIDATION_FAILED", message, status=406)))
        return await self.run(actor, ready, request_id)

    async def _long(self, request: Request) -> Values | None:
        """Return the variables of a call that has very much in them, else None: they are read in a moment."""
        operation = self.documents.held(request.query, request.name)
        if operation is None or not operation.coercer.long(request.variables):
            return None
        return await operation.coercer.coerce_in_steps(request.variables or {})

    async def run(self, actor: Actor, ready: Ready, request_id: str) -> Answer:
        """Run what was prepared, within OPERATION_SECONDS, once it is its account's turn."""
        work = partial(self.load.carry, actor.account, partial(self._run, actor, ready, request_id))
        answer = await self._in_time(work, request_id)
        answer.kind, answer.name, answer.cost = ready.operation.kind, ready.operation.name, ready.cost
        return answer

    async def run_on(self, actor: Actor, ready: Ready, request_id: str) -> Answer:
        """Run what has its turn already."""
        return await self._in_time(partial(self._run, actor, ready, request_id), request_id)

    async def _in_time(self, work: Callable[[], Awaitable[Answer]], request_id: str) -> Answer:
        try:
            return await self.deadlines.within(OPERATION_SECONDS, work())
        except TimeoutError as error:
            return self.refusal(rejected(faults.known(error, request_id)))
        except Fault as fault:
            return self.refusal(rejected(fault))

    def failed(self, actor: Actor, ready: Ready, error: BaseException, request_id: str) -> Answer:
        """Return the answer of a query of one field that came to nothing."""
        known = partial(faults.known, request_id=request_id)
        run = Run(Context(actor, self._services, request_id), ready.variables, known)
        return _with_errors(run, run.failed(ready.plan[0], error), ready.operation)

    async def _run(self, actor: Actor, ready: Ready, request_id: str) -> Answer:
        operation = ready.operation
        context = Context(actor, self._services, request_id)
        if ready.document.introspects:
            return await self._introspect(ready, context)
        if operation.kind == "query" and ready.cost >= SHARED_COST:
            return await self._shared.run(_words(actor, ready, ready.raw), partial(self._once, ready, context))
        return await self._once(ready, context)

    async def _once(self, ready: Ready, context: Context) -> Answer:
        operation, request_id = ready.operation, context.request_id
        run = Run(context, ready.variables, partial(faults.known, request_id=request_id))
        if operation.kind == "mutation":
            data = await run.mutation(ready.plan)
        else:
            data = await run.query(ready.plan, None)
        if not run.errors:
            return Answer(orjson.dumps({"data": data}), 200, True, operation.kind, operation.name)
        return _with_errors(run, data, operation)

    @staticmethod
    def refusal(refusal: Rejected) -> Answer:
        """Return the answer to what never ran."""
        body = orjson.dumps({"errors": refusal.errors})
        return Answer(body, refusal.status, ran=False, codes=refusal.codes, retry_after=refusal.retry_after)

    async def _introspect(self, ready: Ready, context: Context) -> Answer:
        """Answer about the schema with graphql-core; what depends on nothing is kept."""
        operation = ready.operation
        selections = operation.node.selection_set.selections
        alone = not operation.coercer.names and all(
            getattr(getattr(one, "name", None), "value", "") in INTROSPECTION for one in selections
        )
        body = operation.plans.get("body") if alone else None  # type: ignore[call-overload]
        if body is None:
            assert ready.document.ast is not None  # noqa: S101 - it is a valid document
            result: Any = execute(
                self._schema,
                ready.document.ast,
                context_value=context,
                variable_values=ready.raw,
                operation_name=operation.name,
            )
            result = await result if isawaitable(result) else result
            answer: dict[str, Any] = {"data": result.data}
            if result.errors:
                known = [(one, faults.known(one.original_error or one, context.request_id)) for one in result.errors]
                answer["errors"] = [faults.entry(fault, one.path) for one, fault in known]
            body = orjson.dumps(answer)
            if alone:
                operation.plans["body"] = body  # type: ignore[index]
        return Answer(body, 200, True, operation.kind, operation.name)

    # ------------------------------------------------------------ subscriptions

    async def stream(
        self,
        actor: Actor,
        ready: Ready,
        request_id: str,
        on_slow: OnSlow | None = None,
        at_once: AtOnce | None = None,
    ) -> "Stream":
        """Return a subscription's payloads, but for frames that `at_once` takes; raises Rejected if it can't begin."""
        context = Context(actor, self._services, request_id)
        (slot,) = ready.plan
        arguments = slot.fixed if slot.arguments is None else slot.arguments(ready.variables)
        following = await self._begun(slot, context, arguments or {})
        known = partial(faults.known, request_id=request_id)

        async def shown(update: Any) -> str:
            run = Run(context, ready.variables, known)
            payload: dict[str, Any] = {"data": await run.event(slot, update)}
            if run.errors:
                payload["errors"] = run.errors
            return orjson.dumps(payload).decode()

        if isinstance(following, Progress):
            return Stream(self._progress(following, shown), str)
        present = following.present

        async def render(moment: Moment) -> Frame:
            told = await present(moment)
            payloads = [await shown(update) for update in told.updates]
            return Frame(tuple(payloads), told.last, told.topic)

        group = (*_group(actor, ready), following.whom)
        payloads = self._hub.follow(
            following.topic, group=group, render=render, after=following.after, on_slow=on_slow, at_once=at_once
        )
        return Stream(payloads, following.seal)

    async def _begun(self, slot: Slot, context: Context, arguments: dict[str, Any]) -> Following | Progress:
        assert self._schema.subscription_type is not None  # noqa: S101 - there is a subscription
        field = self._schema.subscription_type.fields[slot.name]
        try:
            work = begun(field, context, arguments, self._hub.present)
            following = await self.deadlines.within(OPERATION_SECONDS, work)
        except Exception as error:
            raise rejected(faults.known(error, context.request_id), [slot.key]) from error
        return following

    async def _progress(self, progress: Progress, shown: Callable[[Any], Awaitable[str]]) -> AsyncGenerator[str, None]:
        """Yield what a piece of work tells; ends with Closing where the process is about to."""
        async for update in progress:
            if self._hub.closing:
                raise Closing
            yield await shown(update)


def _check(actor: Actor, guards: Sequence[tuple[str, tuple[Scope, ...]]]) -> None:
    refusals = []
    for key, scopes in guards:
        if not actor.may(*scopes):
            words = " or ".join(scope.value for scope in scopes)
            refusals.append(faults.entry(forbidden(f"This needs a key with {words}."), [key]))
    if refusals:
        raise Rejected(refusals, 403)


def _with_errors(run: Run, data: dict[str, Any] | None, operation: Operation) -> Answer:
    codes = [fault.code for fault in run.faults]
    answer = Answer(b"", 200, True, operation.kind, operation.name, codes)
    if data is None:
        # Nothing at all could be answered: the status says why, as for what never ran.
        answer.status = max(fault.status for fault in run.faults)
        answer.ran = answer.status < 400  # noqa: PLR2004
        answer.retry_after = next((one.extra["retryAfter"] for one in run.faults if "retryAfter" in one.extra), None)
    shown = {"errors": run.errors, "data": data} if answer.ran else {"errors": run.errors}
    answer.body = orjson.dumps(shown)
    return answer


def _words(actor: Actor, ready: Ready, variables: dict[str, Any]) -> tuple[Any, ...]:
    """Return what makes two operations the same: document, variables and rights."""
    # As text, for it is kept as long as somebody follows: the bytes hold on to a buffer of 4 KB.
    shown = orjson.dumps(variables, option=orjson.OPT_SORT_KEYS).decode()
    return (ready.document.text, ready.operation.name, shown, actor.account, actor.scopes)


def _group(actor: Actor, ready: Ready) -> tuple[Any, ...]:
    """Return what makes two followers see the same bytes: document, variables and rights, but not where they begin."""
    variables = {name: value for name, value in ready.raw.items() if name in ready.operation.coercer.names}
    (slot,) = ready.plan
    for argument in slot.nodes[0].arguments or ():
        name = getattr(getattr(argument.value, "name", None), "value", None)
        # Only where it is used for nothing else: once where it is declared, once here.
        if argument.name.value == "after" and name and len(re.findall(rf"\${name}\b", ready.document.text)) == 2:  # noqa: PLR2004
            variables.pop(name, None)
    return _words(actor, ready, variables)
