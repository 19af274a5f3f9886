"""Documents that repeat something: each a builder by size, and the largest size that its text allows."""

from collections.abc import Callable

Build = Callable[[int], str]


def _each(number: int, text: Callable[[int], str]) -> str:
    return " ".join(text(index) for index in range(number))


def _fragments(number: int, inner: Callable[[int], str]) -> str:
    return _each(number, lambda i: f"fragment f{i} on Query {{ {inner(i)} }}")


def _spread(number: int) -> str:
    return _each(number, lambda i: f"...f{i}")


def _tree(number: int) -> str:
    return (
        "{ ...f0 } "
        + _fragments(number, lambda i: f"...f{i + 1} ...f{i + 1}")
        + f" fragment f{number} on Query {{ __typename }}"
    )


def _persons(number: int) -> str:
    fields = ["id", "firstName", "lastName", "type", "version", "createdAt", "externalId", "tags", "customAttributes"]
    parts = _each(number, lambda i: f"fragment f{i} on Person {{ {fields[i % len(fields)]} }}")
    return f"{{ persons {{ nodes {{ {_spread(number)} }} }} }} {parts}"


def _wrapped(before: str, left: str, right: str, after: str) -> Build:
    return lambda number: before + left * number + right * number + after


FLOODS: list[tuple[Build, int]] = [
    # fragments: cyclic, unknown, doubling, a chain, unused, all in all, overlapping
    (lambda n: f"{{ {_spread(n)} }} " + _fragments(n, lambda i: f"...f{i}"), 200),
    (lambda n: f"{{ {_spread(n)} }}", 660),
    (_tree, 120),
    (lambda n: "{ ...f0 } " + _fragments(n, lambda i: f"...f{i + 1}"), 200),
    (lambda n: "{ __typename } " + _fragments(n, lambda i: f"...f{i + 1} ...f{i + 2}"), 160),
    (lambda n: "{ ...f0 } " + _fragments(n, lambda _: _spread(n)), 30),
    (lambda n: "{ ...f0 } " + _fragments(n, lambda _: _spread(1900 // (2 * n + 6))), 100),
    (_persons, 100),
    # fields: many, aliases, the same one, deep, inline
    (lambda n: f"{{ viewer {{ {_each(n, lambda i: f'x{i}')} }} }}", 1900),
    (lambda n: f"{{ {_each(n, lambda i: f'a{i}: __typename')} }}", 600),
    (lambda n: "{ " + "__typename " * n + "}", 1900),
    (_wrapped("", "{ a ", "} ", ""), 900),
    (_wrapped("{ ", "... { ", "} ", "__typename }"), 600),
    (lambda n: "{ " + "... on Query { __typename } " * n + "}", 300),
    (lambda n: "{ __schema { types { " + "fields { type { " * n + "name" + " } }" * n + " } } }", 100),
    # directives
    (lambda n: "{ __typename " + "@include(if: true) " * n + "}", 300),
    (lambda n: "{ __typename " + _each(n, lambda i: f"@d{i}") + "}", 900),
    (lambda n: "query($a: Boolean!) { __typename " + "@skip(if: $a) " * n + "}", 300),
    # operations and definitions
    (lambda n: _each(n, lambda i: f"query q{i} {{ __typename }}"), 390),
    (lambda n: "query q { __typename } " * n, 390),
    (
        lambda n: (
            _each(n, lambda i: f"query q{i}($a: Int) {{ ...f }}")
            + " fragment f on Query { persons(first: $a) { totalCount } }"
        ),
        130,
    ),
    (lambda n: "{ __typename } " + "type A { a: Int } " * n, 240),
    (lambda n: "subscription { " + "timelineEvents { kind } " * n + "}", 300),
    # variables, arguments, literals
    (lambda n: f"query({_each(n, lambda i: f'$a{i}: Int')}) {{ __typename }}", 490),
    (
        lambda n: (
            f"query({_each(n, lambda i: f'$a{i}: String')}) {{ nodes(ids: [{_each(n, lambda i: f'$a{i}')}]) {{ id }} }}"
        ),
        330,
    ),
    (lambda n: "query($a: " + "[" * n + "Int" + "]" * n + ") { __typename }", 900),
    (lambda n: "{ persons(" + "first: 1 " * n + ") { totalCount } }", 600),
    (lambda n: "{ persons(filter: {" + _each(n, lambda i: f"a{i}: 1") + "}) { totalCount } }", 600),
    (lambda n: "{ persons(filter: {zz: {" + _each(n, lambda i: f"a{i}: 1") + "}}) { totalCount } }", 600),
    (lambda n: "{ persons(filter: {" + "firstName: {} " * n + "}) { totalCount } }", 400),
    (_wrapped("{ persons(filter: ", "{not: ", "} ", ") { totalCount } }"), 600),
    (_wrapped("{ nodes(ids: ", "[", "]", ") { id } }"), 900),
    (lambda n: "{ nodes(ids: [" + "1 " * n + "]) { id } }", 1900),
    (lambda n: "{ nodes(ids: [" + "{} " * n + "]) { id } }", 900),
    (
        lambda n: "mutation { createPerson(input: {customAttributes: {a: " + "9" * n + "}}) { errors { code } } }",
        19_000,
    ),
    (lambda n: "{ persons(first: " + "9" * n + ") { totalCount } }", 19_000),
    (lambda n: "{ persons(first: 1." + "9" * n + "e9999) { totalCount } }", 19_000),
    # texts
    (lambda n: "#" * n + "\n{ __typename }", 19_000),
    (lambda n: '{ persons(search: "' + "\\u0041" * n + '") { totalCount } }', 3_000),
    (lambda n: '{ persons(search: """' + "\n a" * n + '""") { totalCount } }', 6_000),
    (lambda n: "{ " + "x" * n + " }", 21_000),
]
