"""GraphiQL at `GET /graphql`: built into the package, from this origin alone; else a page says how."""

from pathlib import Path

from starlette.types import Receive, Scope, Send

from app.web.shield import PAGE

ASSETS = Path(__file__).parent / "static" / "graphiql"
HTML = b"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Customer Profiles - GraphiQL</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/graphiql/graphiql.css">
</head>
<body>
<div id="graphiql"></div>
<script type="module" src="/graphiql/graphiql.js"></script>
</body>
</html>
"""
PLAIN = b"""<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Customer Profiles - GraphiQL</title></head>
<body>
<h1>GraphiQL is not built</h1>
<p>The service runs, only this page's scripts are missing. With Node 20 or newer:</p>
<pre>cd web &amp;&amp; npm ci &amp;&amp; npm run build</pre>
<p>Any GraphQL client works as it is: POST to <code>/graphql</code> with
<code>Authorization: Bearer &lt;key&gt;</code>; the schema is at <a href="/schema.graphql">/schema.graphql</a>.</p>
</body>
</html>
"""


async def page(scope: Scope, _receive: Receive, send: Send) -> None:
    """Answer with the page."""
    body = HTML if (ASSETS / "graphiql.js").exists() else PLAIN
    headers = [
        (b"content-type", b"text/html; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-cache"),
        *PAGE,
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})
