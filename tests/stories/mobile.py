"""What a phone says, for the stories of mobile apps."""

from typing import Any

from tests.api import ERRORS, Api

REGISTRATIONS = "pushRegistrations { applicationId registrationId primary enabled platform systemData additionalData }"
HOLDER = f"""person {{ id type createdFrom modifiedFrom externalId firstName tags customAttributes version mergedIds
  emails {{ address primary }} phones {{ number }} {REGISTRATIONS} }} deletedPersonIds {ERRORS}"""
OPEN = f"mutation($input: InstallationInput!) {{ openInstallation(input: $input) {{ {HOLDER} }} }}"
ADJUST = f"""mutation($push: PushLocator!, $primary: Boolean, $enabled: Boolean, $data: JSON) {{
  updateInstallation(push: $push, primary: $primary, enabled: $enabled, additionalData: $data) {{ {HOLDER} }} }}"""
LOGIN = f"mutation($input: PersonalizeInput!) {{ personalize(input: $input) {{ {HOLDER} }} }}"
LOGOUT = f"mutation($push: PushLocator!) {{ depersonalize(push: $push) {{ {HOLDER} }} }}"


def push(name: str) -> dict[str, str]:
    """Name an installation."""
    return {"applicationId": "shop", "registrationId": name}


class Phone:
    """One installation of an app."""

    def __init__(self, api: Api, name: str = "p1") -> None:
        self.api = api
        self.push = push(name)
        self.by = {"push": self.push}

    async def opened(self, **told: Any) -> Any:
        """Open the app; returns who holds the installation."""
        return good(await self.api(OPEN, input={**self.push, **told}))["person"]

    async def adjust(self, **told: Any) -> dict[str, Any]:
        """Adjust the installation; returns the payload."""
        payload: dict[str, Any] = await self.api(ADJUST, push=self.push, **told)
        return payload

    async def try_login(self, *, identity: Any, **more: Any) -> dict[str, Any]:
        """Log in; returns the payload."""
        payload: dict[str, Any] = await self.api(LOGIN, input={"push": self.push, "identity": identity, **more})
        return payload

    async def login(self, *emails: str, gone: int | None = None, **more: Any) -> Any:
        """Log in by emails; returns who holds the installation."""
        identity = {"emails": list(emails), **more.pop("identity", {})}
        payload = good(await self.try_login(identity=identity, **more))
        assert gone is None or len(payload["deletedPersonIds"]) == gone, payload
        return payload["person"]

    async def refused(self, *emails: str, **more: Any) -> list[tuple[str, list[str]]]:
        """Log in by emails in vain; returns codes and paths."""
        identity = {"emails": list(emails), **more.pop("identity", {})}
        payload = await self.try_login(identity=identity, **more)
        assert (payload["person"], payload["deletedPersonIds"]) == (None, [])
        return [(one["code"], one["path"]) for one in payload["errors"]]

    async def logout(self) -> Any:
        """Log out; returns who holds the installation."""
        return good(await self.api(LOGOUT, push=self.push))["person"]

    async def holder(self) -> dict[str, Any]:
        """Return who holds the installation."""
        query = f"query($by: PersonLocator!) {{ person(by: $by) {{ id type {REGISTRATIONS} emails {{ address }} }} }}"
        person: dict[str, Any] = await self.api(query, by=self.by)
        return person


def good(payload: Any) -> dict[str, Any]:
    """Return a payload that is not refused."""
    assert payload["errors"] == [], payload
    found: dict[str, Any] = payload
    return found


def primaries(person: dict[str, Any]) -> list[str]:
    """Return the primary installations of a person."""
    return [one["registrationId"] for one in person["pushRegistrations"] if one["primary"]]


def registrations(person: dict[str, Any]) -> set[str]:
    """Return the installations of a person."""
    return {one["registrationId"] for one in person["pushRegistrations"]}
