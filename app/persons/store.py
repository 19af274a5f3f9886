"""How persons are kept: in which collection, and by which indexes they are found; see `record.py` for the documents."""

from app.mongo.engine import Sort

BY_CREATION: Sort = (("account", 1), ("state", 1), ("createdAt", 1), ("_id", 1))
BY_UPDATE: Sort = (("account", 1), ("state", 1), ("updatedAt", 1), ("_id", 1))
BY_FIRST_NAME: Sort = (("account", 1), ("state", 1), ("first", 1), ("_id", 1))
BY_LAST_NAME: Sort = (("account", 1), ("state", 1), ("last", 1), ("_id", 1))
BY_TAG: Sort = (("account", 1), ("tags", 1), ("state", 1), ("createdAt", 1), ("_id", 1))
BY_COMPANY: Sort = (("account", 1), ("companies.id", 1), ("state", 1), ("_id", 1))
BY_WORD: Sort = (("account", 1), ("words", 1), ("_id", 1))

# What tells whose an event is.
BRIEF = {"account": 1, "state": 1, "subjects": 1, "version": 1}
# The same of who is named by an installation, with the lines that it had before.
INSTALLED = {**BRIEF, "push.app": 1, "push.reg": 1, "push.line": 1, "former": 1}
