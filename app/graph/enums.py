"""The contract's enums. Inside the service a value is its name."""

from enum import Enum

import strawberry

from app.graph.declare import value


@strawberry.enum(description="What a person is to the business.")
class PersonType(Enum):
    """What a person is."""

    LEAD = value("LEAD", "Somebody who may become a customer.")
    CUSTOMER = value("CUSTOMER", "A customer; never becomes a lead again.")


@strawberry.enum(description="The gender that a person goes by.")
class Gender(Enum):
    """Gender."""

    MALE = value("MALE", "Male.")
    FEMALE = value("FEMALE", "Female.")
    UNKNOWN = value("UNKNOWN", "Known to be unknown.")


@strawberry.enum(description="Where something came from; set by the service, never by a client.")
class Origin(Enum):
    """Entry points."""

    API = value("API", "An API key.")
    PORTAL = value("PORTAL", "The web console.")
    IMPORT = value("IMPORT", "A file.")
    WEB_SDK = value("WEB_SDK", "A website.")
    MOBILE_SDK = value("MOBILE_SDK", "A mobile app.")
    FLOW = value("FLOW", "A journey.")
    ANSWERS = value("ANSWERS", "A chatbot.")
    CONVERSATIONS = value("CONVERSATIONS", "The inbox.")
    FORMS = value("FORMS", "A form.")
    SALESFORCE = value("SALESFORCE", "Salesforce.")
    DYNAMICS = value("DYNAMICS", "Dynamics 365.")
    SYSTEM = value("SYSTEM", "The service itself.")
    UNKNOWN = value("UNKNOWN", "Nobody knows any more.")


@strawberry.enum(description="A messaging channel.")
class Channel(Enum):
    """Messaging channels."""

    FACEBOOK = value("FACEBOOK", "Facebook Messenger.")
    INSTAGRAM = value("INSTAGRAM", "Instagram.")
    INSTAGRAM_DM = value("INSTAGRAM_DM", "Instagram direct messages.")
    KAKAO_SANGDAM = value("KAKAO_SANGDAM", "Kakao Sangdam.")
    KAKAO_TALK = value("KAKAO_TALK", "KakaoTalk.")
    LINE = value("LINE", "LINE.")
    LIVE_CHAT = value("LIVE_CHAT", "Live chat.")
    OPEN_CHANNEL = value("OPEN_CHANNEL", "A channel of the account's own.")
    APPLE_BUSINESS_CHAT = value("APPLE_BUSINESS_CHAT", "Apple Messages for Business.")
    TELEGRAM = value("TELEGRAM", "Telegram.")
    TIKTOK_BM = value("TIKTOK_BM", "TikTok business messages.")
    TWITTER = value("TWITTER", "X, formerly Twitter.")
    VIBER_BOTS = value("VIBER_BOTS", "Viber bots.")
    WEB_PUSH = value("WEB_PUSH", "Web push.")
    WHATSAPP = value("WHATSAPP", "WhatsApp.")
    ZALO_FOLLOWER = value("ZALO_FOLLOWER", "Zalo followers.")
    UNKNOWN = value("UNKNOWN", "Nobody knows any more.")


@strawberry.enum(description="A system for customer relations that profiles are kept in step with.")
class CrmSystem(Enum):
    """CRM systems."""

    SALESFORCE = value("SALESFORCE", "Salesforce Sales Cloud.")
    DYNAMICS = value("DYNAMICS", "Microsoft Dynamics 365.")


@strawberry.enum(description="What a list of persons is ordered by.")
class PersonSort(Enum):
    """Orders of persons."""

    CREATED_AT = value("CREATED_AT", "When the profile was made.")
    UPDATED_AT = value("UPDATED_AT", "When the profile was changed last.")
    FIRST_NAME = value("FIRST_NAME", "The given name, case and accents aside; who has none comes before A.")
    LAST_NAME = value("LAST_NAME", "The family name, case and accents aside; who has none comes before A.")
    CUSTOM_ATTRIBUTE = value(
        "CUSTOM_ATTRIBUTE",
        "The attribute that `customAttribute` names, text as it is stored: capitals before small letters. Who has no"
        " value comes before the smallest. Each page looks at everybody whom the filter finds, within the time of an"
        " operation: with very many, filter by tag or company.",
    )


@strawberry.enum(description="What a list of companies is ordered by.")
class CompanySort(Enum):
    """Orders of companies."""

    CREATED_AT = value("CREATED_AT", "When the company was made.")
    UPDATED_AT = value("UPDATED_AT", "When the company was changed last.")
    NAME = value("NAME", "The name, case and accents aside.")
    CUSTOM_ATTRIBUTE = value(
        "CUSTOM_ATTRIBUTE",
        "The attribute that `customAttribute` names, text as it is stored: capitals before small letters. Companies"
        " without a value come before the smallest. Each page looks at all companies that the filter finds.",
    )


@strawberry.enum(description="The direction of an order.")
class Direction(Enum):
    """Directions."""

    ASC = value("ASC", "Smallest, oldest or A first.")
    DESC = value("DESC", "Largest, newest or Z first.")


@strawberry.enum(description="Whose attribute it is.")
class AttributeTarget(Enum):
    """Targets of attributes."""

    PERSON = value("PERSON", "Of persons.")
    COMPANY = value("COMPANY", "Of companies.")


@strawberry.enum(description="The type of a custom attribute; it never changes.")
class AttributeType(Enum):
    """Types of attributes."""

    STRING = value("STRING", "Text of at most 4096 characters.")
    INTEGER = value("INTEGER", "A whole number of 64 bits.")
    DECIMAL = value("DECIMAL", "A number.")
    BOOLEAN = value("BOOLEAN", "true or false.")
    DATE = value("DATE", "A day: `2026-05-04`.")
    DATE_TIME = value("DATE_TIME", "A moment: `2026-05-04T10:00:00Z`.")
    LIST = value("LIST", "A list of objects; each item gets an `__id`.")


@strawberry.enum(description="The type of a property of an event.")
class EventFieldType(Enum):
    """Types of event properties."""

    STRING = value("STRING", "Text of at most 4096 characters.")
    BOOLEAN = value("BOOLEAN", "true or false.")
    DATE_TIME = value("DATE_TIME", "A moment: `2026-05-04T10:00:00Z`.")
    NUMERIC = value("NUMERIC", "A number; a whole one stays whole.")
    DECIMAL = value("DECIMAL", "A number with a fraction.")
    LIST = value("LIST", "A list of objects, at most one an event.")


@strawberry.enum(description="What became of an event that was sent.")
class EventStatus(Enum):
    """Outcomes of events."""

    ACCEPTED = value("ACCEPTED", "It is on the timeline, for ever.")
    DUPLICATE = value("DUPLICATE", "An event of this `eventId` was there already; nothing was added.")
    REJECTED = value("REJECTED", "It was refused; `errors` say why.")


@strawberry.enum(description="What became of a row of a batch.")
class WriteStatus(Enum):
    """Outcomes of rows."""

    CREATED = value("CREATED", "Nobody had its identifiers: it was made.")
    UPDATED = value("UPDATED", "Who has its identifiers was changed.")
    NOT_MODIFIED = value("NOT_MODIFIED", "Everything was so already; nothing was written.")
    FAILED = value("FAILED", "It was refused, and nothing was written for it; `errors` say why.")


@strawberry.enum(description="What an API key may do.")
class Scope(Enum):
    """Scopes of keys."""

    PEOPLE_READ = value("PEOPLE_READ", "All queries but `apiKeys`, and all subscriptions.")
    PEOPLE_MANAGE = value("PEOPLE_MANAGE", "Change persons, companies, tags, attributes and event definitions.")
    EVENTS_WRITE = value("EVENTS_WRITE", "Send events, what journeys, chatbots and the inbox tell, and forms.")
    WEB_SDK = value("WEB_SDK", "What a website may do: it writes and learns nothing.")
    MOBILE_SDK = value("MOBILE_SDK", "What a mobile app may do with its own installation.")
    ADMIN = value("ADMIN", "Everything, and alone the API keys.")


@strawberry.enum(description="What a live update tells.")
class UpdateKind(Enum):
    """Kinds of live updates."""

    READY = value("READY", "Comes first, with a cursor: all that happens from here on will be told.")
    EVENT = value("EVENT", "Something was recorded on the timeline.")
    CREATED = value("CREATED", "The person is new.")
    UPDATED = value("UPDATED", "The person changed; `changedFields` say where.")
    MERGED = value("MERGED", "The person was merged; the stream goes on with the survivor.")
    DELETED = value("DELETED", "The person or company was deleted; a stream about it alone ends here.")
    LEFT = value(
        "LEFT",
        "Behind a change of what the filter asks for the person doesn't match it; maybe they didn't before either.",
    )
    RESYNC = value(
        "RESYNC",
        "The cursor is too old, or a company that the filter names was merged: read afresh, then go on from here.",
    )


@strawberry.enum(description="What a client can mend, as a code; `docs/errors.md` has a paragraph on each.")
class ErrorCode(Enum):
    """Codes of payload errors."""

    INVALID = value("INVALID", "The value can't be understood or isn't allowed.")
    REQUIRED = value("REQUIRED", "Something that is needed is missing.")
    FORBIDDEN_CHARACTER = value("FORBIDDEN_CHARACTER", "A name has a character that names can't have.")
    TOO_LONG = value("TOO_LONG", "The value is longer than its limit.")
    TOO_MANY = value("TOO_MANY", "There are more of them than one call or profile may have.")
    DUPLICATE_EXTERNAL_ID = value("DUPLICATE_EXTERNAL_ID", "The external id belongs to somebody else.")
    DUPLICATE_EMAIL = value("DUPLICATE_EMAIL", "The email belongs to another person.")
    DUPLICATE_PHONE = value("DUPLICATE_PHONE", "The phone number belongs to another person.")
    DUPLICATE_NAME = value("DUPLICATE_NAME", "The name is taken, in this or another case.")
    DUPLICATE_DOMAIN = value("DUPLICATE_DOMAIN", "The domain belongs to another company.")
    DUPLICATE_PUSH = value("DUPLICATE_PUSH", "The identifier of an installation or channel belongs to another person.")
    NO_IDENTIFIER = value("NO_IDENTIFIER", "A person needs an email, a phone number or an external id.")
    UNKNOWN_ATTRIBUTE = value("UNKNOWN_ATTRIBUTE", "No such custom attribute is defined.")
    WRONG_ATTRIBUTE_TYPE = value("WRONG_ATTRIBUTE_TYPE", "The value is not of the attribute's type.")
    UNKNOWN_EVENT_TYPE = value("UNKNOWN_EVENT_TYPE", "No such event is defined.")
    UNKNOWN_PROPERTY = value("UNKNOWN_PROPERTY", "The event or list item has no such field.")
    STANDARD_EVENT = value("STANDARD_EVENT", "The service itself records this event.")
    TOO_OLD = value("TOO_OLD", "The event is older than 30 days.")
    PERSON_NOT_FOUND = value("PERSON_NOT_FOUND", "There is no such person.")
    COMPANY_NOT_FOUND = value("COMPANY_NOT_FOUND", "There is no such company.")
    TAG_NOT_FOUND = value("TAG_NOT_FOUND", "There is no such tag.")
    ATTRIBUTE_NOT_FOUND = value("ATTRIBUTE_NOT_FOUND", "There is no such attribute.")
    INSTALLATION_NOT_FOUND = value("INSTALLATION_NOT_FOUND", "There is no such installation: open it first.")
    NOT_FOUND = value("NOT_FOUND", "There is no such thing.")
    VERSION_CONFLICT = value("VERSION_CONFLICT", "Somebody changed it meanwhile: read it again.")
    IDEMPOTENCY_MISMATCH = value("IDEMPOTENCY_MISMATCH", "The key was used with another input: take a new one.")
    MERGE_BLOCKED = value("MERGE_BLOCKED", "These can't be merged: together they would be too much.")
    ALREADY_REVERTED = value("ALREADY_REVERTED", "This merge was undone already.")
    WEB_SDK_RESTRICTED = value("WEB_SDK_RESTRICTED", "A website changes leads alone, and nobody's type.")
    TYPE_NOT_ALLOWED = value("TYPE_NOT_ALLOWED", "A customer never becomes a lead again, and no app says the type.")
    PERSONALIZATION_IMPOSSIBLE = value("PERSONALIZATION_IMPOSSIBLE", "The installation belongs to another person.")
    AMBIGUOUS_PERSONALIZE_CANDIDATES = value(
        "AMBIGUOUS_PERSONALIZE_CANDIDATES", "The identity belongs to several persons."
    )
    USER_MERGE_INTERRUPTED = value("USER_MERGE_INTERRUPTED", "An identifier belongs to another person.")
    USER_IDENTITY_INVALID = value("USER_IDENTITY_INVALID", "The identity names nobody, or is not proven.")
    MAPPING_INVALID = value("MAPPING_INVALID", "A column of an import, or a field of a CRM, can't be mapped so.")
    CRM_UNREACHABLE = value("CRM_UNREACHABLE", "The CRM can't be reached, or doesn't let us in.")
    IN_USE = value("IN_USE", "Something else uses it: take it out there first.")
    WRONG_STATE = value("WRONG_STATE", "This can't be done in the present state.")
    UNKNOWN = value("UNKNOWN", "A code that is newer than this schema.")
