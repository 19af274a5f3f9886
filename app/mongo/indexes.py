"""The indexes, each with the query that rides it; checked at start."""

from collections.abc import Mapping, Sequence

from app.mongo.engine import Engine, Sort

INDEXES: Mapping[str, Sequence[Sort]] = {
    "persons": (
        (("account", 1), ("state", 1), ("createdAt", 1), ("_id", 1)),  # persons by creation
        (("account", 1), ("state", 1), ("updatedAt", 1), ("_id", 1)),  # persons by last change
        (("account", 1), ("state", 1), ("first", 1), ("_id", 1)),  # persons by first name
        (("account", 1), ("state", 1), ("last", 1), ("_id", 1)),  # persons by last name
        (("account", 1), ("tags", 1), ("state", 1), ("createdAt", 1), ("_id", 1)),  # filter by tag, newest first; sweep
        (("account", 1), ("companies.id", 1), ("state", 1), ("_id", 1)),  # members of a company
        (("account", 1), ("words", 1), ("_id", 1)),  # search; identifiers and text attributes that equal something
        (("a.$**", 1),),  # filter by attribute: the id of a definition is one account's own
        (("former.$**", 1),),  # installations that somebody had before who comes apart, or is gone
    ),
    "events": (
        (("subject", 1), ("at", 1), ("_id", 1)),  # timelines
        (("account", 1), ("received", 1), ("_id", 1)),  # activity of an account
    ),
    "companies": (
        (("account", 1), ("createdAt", 1), ("_id", 1)),  # companies by creation
        (("account", 1), ("updatedAt", 1), ("_id", 1)),  # companies by last change
        (("account", 1), ("sort", 1), ("_id", 1)),  # companies by name
        (("account", 1), ("words", 1), ("_id", 1)),  # search; text attributes that equal something
        (("account", 1), ("tags", 1), ("createdAt", 1), ("_id", 1)),  # carriers of a tag, newest first
        (("a.$**", 1),),  # filter by attribute
    ),
    "requests": (
        (("until", 1),),  # records of idempotency keys lapse after a day
        (("account", 1), ("owners", 1)),  # records of a person who is deleted
    ),
    "merges": (
        (("account", 1), ("persons", 1), ("_id", 1)),  # merges of a person; erasure
        (("account", 1), ("_id", 1)),  # merges of an account, newest first
    ),
    "forms": ((("account", 1), ("_id", 1)),),
    "formSubmissions": (
        (("account", 1), ("person", 1)),  # submissions of a person who is gone
        (("account", 1), ("line", 1)),  # the same, of who was merged with others when they came
        (("account", 1), ("formId", 1), ("at", 1), ("_id", 1)),  # submissions of a form, newest first
        (("account", 1), ("at", 1), ("_id", 1)),  # submissions of an account, newest first
    ),
    "imports": (
        (("account", 1), ("_id", 1)),  # imports of an account, newest first
        (("due", 1),),  # what somebody should work on
    ),
    "importChunks": (
        (("until", 1),),  # files, ledgers and failed rows lapse when an import can't be taken back any more
        (("upload", 1),),  # the pieces of a file
        (("account", 1), ("rows.p", 1)),  # what imports did with a person who is deleted
    ),
    "syncs": (
        (("account", 1), ("_id", 1)),  # connections of an account
        (("due", 1),),  # what somebody should work on
    ),
    "syncLinks": (
        (("connection", 1), ("push", 1)),  # records that are to be written
        (("connection", 1), ("again", 1)),  # records that are to be read once more
        (("account", 1), ("profile", 1)),  # records of a profile; erasure
        (("connection", 1), ("waits", 1)),  # contacts of accounts that are linked later than they are
        (("account", 1), ("whose", 1)),  # records that might be of a profile; erasure
    ),
    "syncIssues": (
        (("connection", 1), ("at", 1), ("_id", 1)),  # issues of a connection, newest first
        (("account", 1), ("profile", 1)),  # issues of a person who is gone
    ),
    "visitors": (
        (("account", 1), ("person", 1)),  # visitors of a person who is gone
        (("visitor", 1),),  # a visitor by id
        (("due", 1), ("_id", 1)),  # sweep: sessions that are over, visitors whose time is over
        (("account", 1), ("former.line", 1)),  # anonymous ids that meant a person who is erased
        (("account", 1), ("named", 1)),  # visitors of whom an identifier is kept that such a person had
    ),
    "dismissals": ((("account", 1), ("persons", 1)),),  # whom somebody was told apart from; erasure
    "tokens": ((("until", 1),),),  # used identity tokens lapse when nobody could show them any more
    "erased": ((("until", 1),),),  # marks of erased events lapse after a month
    "tags": ((("account", 1), ("_id", 1)),),
    "attributes": ((("account", 1), ("_id", 1)),),
    "eventTypes": ((("account", 1), ("_id", 1)),),
    "apiKeys": ((("account", 1), ("_id", 1)),),
}


async def check(engine: Engine) -> list[str]:
    """Return what is missing, one line each."""
    missing = []
    for collection, wanted in INDEXES.items():
        there = {tuple(tuple(part) for part in keys) for keys in await engine.indexes(collection)}
        lacking = [keys for keys in wanted if tuple(tuple(part) for part in keys) not in there]
        missing += [f"{collection} has no index on {', '.join(field for field, _ in keys)}." for keys in lacking]
    return missing
