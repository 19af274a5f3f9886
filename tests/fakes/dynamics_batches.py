"""Batches of the Dataverse fake: several requests in one multipart body, some of them as change sets."""

import uuid
from collections.abc import Mapping
from copy import deepcopy
from email.message import Message
from email.parser import BytesHeaderParser, BytesParser
from http import HTTPStatus
from urllib.parse import parse_qsl, urlsplit

import orjson

from tests.fakes.dynamics_values import Refused
from tests.fakes.dynamics_web import API, Answer, Question, Web

OPERATIONS_MAX = 1000
Numbered = tuple[str, Answer]


def batch(web: Web, question: Question) -> tuple[int, str, bytes]:
    """Do what a batch asks, in its order; returns status, content type and body. Raises Refused."""
    kind = question.headers.get("content-type", "")
    whole = BytesParser().parsebytes(f"Content-Type: {kind}\r\n\r\n".encode() + question.content)
    if not whole.is_multipart():
        raise Refused(400, "0x8006088a", "The content type of a batch has to be multipart/mixed with a boundary.")
    if sum(not part.is_multipart() for part in whole.walk()) > OPERATIONS_MAX:
        raise Refused(400, "0x80060883", f"A batch can't have more than {OPERATIONS_MAX} operations.")
    goes_on = question.prefers("odata.continue-on-error") is not None
    boundary, status, written = f"batchresponse_{uuid.uuid4()}", 200, []
    for part in _parts(whole):
        answers = _together(web, question, part) if part.is_multipart() else [("", _one(web, question, part))]
        written.append(_nested(answers) if part.is_multipart() else _written(*answers[0]))
        if answers[-1][1].status >= HTTPStatus.BAD_REQUEST and not goes_on:
            status = answers[-1][1].status
            break
    return status, f"multipart/mixed; boundary={boundary}", _joined(boundary, written)


def _parts(message: Message) -> list[Message]:
    payload = message.get_payload()
    return [part for part in payload if isinstance(part, Message)] if isinstance(payload, list) else []


def _one(web: Web, question: Question, part: Message) -> Answer:
    asked = _asked(part, question)
    if asked.method != "GET" and web.faults.strikes("partial"):
        web.note("api", "refused", "", asked.path, {"code": "0x80040265"})
        return Answer(400, {"error": {"code": "0x80040265", "message": "A plug-in doesn't like this record."}})
    return web.answer(asked)


def _together(web: Web, question: Question, part: Message) -> list[Numbered]:
    """Do a change set: all of it, or nothing, and the error that was met."""
    tables, written, answers = deepcopy(web.tables), len(web.journal), []
    for one in _parts(part):
        answer = _one(web, question, one)
        if answer.status >= HTTPStatus.BAD_REQUEST:
            web.tables = tables
            del web.journal[written:]
            return [(one.get("Content-ID", ""), answer)]
        answers.append((one.get("Content-ID", ""), answer))
    return answers


def _asked(part: Message, question: Question) -> Question:
    """Return the request in a part: its path from the host on, or a whole address."""
    content = part.get_payload(decode=True)
    line, _, rest = (content if isinstance(content, bytes) else b"").lstrip().replace(b"\r\n", b"\n").partition(b"\n")
    # Without a header the body follows at once, behind one empty line.
    head, _, body = (b"", b"", rest[1:]) if rest.startswith(b"\n") else rest.partition(b"\n\n")
    method, target, *_ = line.decode().split(" ")
    headers = {name.lower(): str(value) for name, value in BytesHeaderParser().parsebytes(head + b"\n").items()}
    split = urlsplit(target)
    path = split.path.partition(f"{API}/")[2] or split.path.lstrip("/")
    return Question(method, path, dict(parse_qsl(split.query)), headers, body, question.base)


def _nested(answers: list[Numbered]) -> bytes:
    boundary = f"changesetresponse_{uuid.uuid4()}"
    inner = _joined(boundary, [_written(*one) for one in answers])
    return f"Content-Type: multipart/mixed; boundary={boundary}\r\n\r\n".encode() + inner


def _written(number: str, answer: Answer) -> bytes:
    headers: Mapping[str, str] = {"OData-Version": "4.0", **answer.headers}
    body = b""
    if answer.body is not None:
        headers = {"Content-Type": "application/json; odata.metadata=minimal", **headers}
        body = orjson.dumps(answer.body)
    outer = "Content-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n"
    outer += f"Content-ID: {number}\r\n" if number else ""
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"{outer}\r\nHTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}\r\n{lines}\r\n".encode() + body


def _joined(boundary: str, parts: list[bytes]) -> bytes:
    return b"".join(f"--{boundary}\r\n".encode() + part + b"\r\n" for part in parts) + f"--{boundary}--\r\n".encode()
