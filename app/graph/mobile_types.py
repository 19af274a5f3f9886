"""What a mobile app sends: its installation, and who logs in on it."""

import strawberry

from app.graph.declare import given, needed
from app.graph.inputs import PushLocator, UpdatePersonInput
from app.graph.scalars import JSON


@strawberry.input(description="An installation of an app, and what it tells of itself; absent keeps.")
class InstallationInput:
    """Opened installation."""

    application_id: str = needed("Id of the application, at most 256 characters.")
    registration_id: str = needed("Id of the installation's registration, at most 4096 characters.")
    platform: str | None = given("The platform: `ios`, `android`; at most 50 characters.")
    primary: bool | None = given("Whether it is the device to reach the person on; a person's first one is.")
    enabled: bool | None = given("Whether the person takes messages there; yes, where nothing is said.")
    system_data: JSON | None = given("What the SDK says about the device: an object of at most 16,384 bytes.")
    additional_data: JSON | None = given("What the app says about the installation, likewise.")


@strawberry.input(description="By what the user is known to the app: at least one of these.")
class UserIdentityInput:
    """User."""

    external_id: str | None = given("The id in your own system; `null`, `Null` and `NULL` count as absent.")
    emails: list[str] | None = given("Emails of the user, at most 100.")
    phones: list[str] | None = given("Phone numbers of the user, at most 100.")


@strawberry.input(description="A login on an installation.")
class PersonalizeInput:
    """Login."""

    push: PushLocator = needed("The installation, which was opened before.")
    identity: UserIdentityInput = needed("Who logs in.")
    attributes: UpdatePersonInput | None = given("What else is known of the user, without the type.")
    force_depersonalize: bool = given(
        "Takes the installation from another person, who keeps all that they have.", default=False
    )
    keep_as_lead: bool = given("Makes no customer of a lead.", default=False)
    set_device_as_primary: bool = given("Makes it the person's primary device.", default=False)
    identity_token: str | None = given("Signed by the account's own backend; needed where the key is strict.")
