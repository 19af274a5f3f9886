"""What phones say, and whom they meet, for the stories of mobile apps."""

from typing import Any

from tests.api import DEFINE, ERRORS, Api

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


async def lead(api: Api, **input_: Any) -> dict[str, Any]:
    """Make a lead."""
    return await api.made(type="LEAD", **input_)


def email(address: str) -> list[dict[str, str]]:
    """Write an email as an input."""
    return [{"address": address}]


async def types(api: Api, by: dict[str, Any]) -> list[str]:
    """Return the types of a timeline, newest first."""
    return [one["type"] for one in await api.events(by)]


async def events_of(api: Api, *who: dict[str, Any], id_: str) -> None:
    """Send an event of a known type to each."""
    await api(DEFINE, input={"id": "seen", "title": "Seen"})
    for by in who:
        (sent,) = await api.track({"person": by, "type": "seen", "eventId": id_})
        assert sent["status"] == "ACCEPTED", sent


async def sent_again(phone: Phone, id_: str, *, atomic: bool = False) -> tuple[str, str | None]:
    """Send an event of the app again; returns what became of it, and the id of what is shown."""
    event = {"person": phone.by, "type": "seen", "eventId": id_}
    (again,) = await phone.api.track(event, atomic=atomic)
    return again["status"], again["event"] and again["event"]["id"].partition(":")[2]


async def seen(api: Api, person_id: str) -> list[str]:
    """Return what a person did by the app, newest first."""
    events = await api.events({"id": person_id}, first=50)
    return [one["id"].partition(":")[2] for one in events if one["type"] == "seen"]
