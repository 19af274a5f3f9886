"""What connects a fake, as a client of the API gives it."""

from typing import Any

from tests.fakes.dynamics import CLIENT_ID, CLIENT_SECRET, TENANT
from tests.fakes.salesforce import FakeSalesforce


def credentials(fake: Any, url: str, name: str = "Sales") -> dict[str, Any]:
    """Return the input of `connectCrm`."""
    given = {"name": name, "baseUrl": url}
    if isinstance(fake, FakeSalesforce):
        return {**given, "system": "SALESFORCE", "clientId": fake.client_id, "clientSecret": fake.client_secret}
    token = f"{url}/{TENANT}/oauth2/v2.0/token"
    return {**given, "system": "DYNAMICS", "tokenUrl": token, "clientId": CLIENT_ID, "clientSecret": CLIENT_SECRET}
