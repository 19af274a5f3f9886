"""The events that the service itself records: known to every account, never sent by a client."""

from datetime import datetime

from app.catalog.model import EventDefinition, EventField

# The day the catalogue was fixed; standard definitions were not made by anybody.
SINCE = datetime(2026, 1, 1)  # noqa: DTZ001 - naive UTC is the house's time


def _event(id_: str, name: str, description: str, /, **fields: str) -> EventDefinition:
    declared = tuple(EventField(name, type_) for name, type_ in fields.items())
    return EventDefinition(id_, name, SINCE, description, standard=True, fields=declared)


_FIELDS = EventField("changedFields", "LIST", (EventField("name", "STRING"),))
_MERGED = EventField("mergedIds", "LIST", (EventField("id", "STRING"),))
STANDARD = {
    event.id: event
    for event in (
        _event("personCreated", "Person Created", "The profile was made."),
        EventDefinition(
            "personUpdated", "Person Updated", SINCE, "Fields of the profile changed.", standard=True, fields=(_FIELDS,)
        ),
        _event("personPromoted", "Person Promoted", "A lead became a customer."),
        EventDefinition(
            "personMerged",
            "Person Merged",
            SINCE,
            "Other profiles were merged into this one; whoever followed one of them is told `into` which.",
            standard=True,
            fields=(_MERGED, EventField("mergeId", "STRING"), EventField("into", "STRING")),
        ),
        EventDefinition(
            "mergeReverted",
            "Merge Reverted",
            SINCE,
            "A merge was undone: those of these ids are persons again. Fields that somebody had changed since stayed.",
            standard=True,
            fields=(
                EventField("mergeId", "STRING"),
                EventField("keptFields", "LIST", (EventField("name", "STRING"),)),
                _MERGED,
            ),
        ),
        _event("personDeleted", "Person Deleted", "The profile and its data were removed.", personId="STRING"),
        _event("contactAdded", "Contact Added", "An email or phone was added.", channel="STRING", count="NUMERIC"),
        _event(
            "contactRemoved", "Contact Removed", "An email or phone was taken off.", channel="STRING", count="NUMERIC"
        ),
        _event("pushAttached", "Push Attached", "An installation came to this person.", applicationId="STRING"),
        _event("pushDetached", "Push Detached", "An installation left this person.", applicationId="STRING"),
        _event("tagAdded", "Tag Added", "A tag was put on the profile.", tag="STRING"),
        _event("tagRemoved", "Tag Removed", "A tag was taken off the profile.", tag="STRING"),
        _event("companyLinked", "Company Linked", "The person joined a company.", companyId="STRING", role="STRING"),
        _event("companyUnlinked", "Company Unlinked", "The person left a company.", companyId="STRING"),
        _event("companyCreated", "Company Created", "The company was made."),
        _event("companyUpdated", "Company Updated", "Fields of the company changed."),
        EventDefinition(
            "companyMerged", "Company Merged", SINCE, "Other companies were taken in.", standard=True, fields=(_MERGED,)
        ),
        EventDefinition(
            "companyDeleted",
            "Company Deleted",
            SINCE,
            "The company was removed, or taken into another one, with those it had taken in; its people stayed.",
            standard=True,
            fields=(EventField("companyId", "STRING"), EventField("into", "STRING"), _MERGED),
        ),
        _event("memberJoined", "Member Joined", "A person joined the company.", personId="STRING"),
        _event("memberLeft", "Member Left", "A person left the company.", personId="STRING"),
        _event(
            "importApplied",
            "Import Applied",
            "A row of an import wrote to the profile.",
            importId="STRING",
            row="NUMERIC",
            outcome="STRING",
        ),
        _event(
            "crmSynced",
            "CRM Synced",
            "A CRM wrote to the profile, or a record of it is linked with the profile, or no more.",
            system="STRING",
            object="STRING",
            recordId="STRING",
        ),
        _event("sessionStarted", "Session Started", "A visit began.", sessionId="STRING"),
        _event("sessionEnded", "Session Ended", "A visit ended.", sessionId="STRING"),
        _event("formSubmitted", "Form Submitted", "A form was sent in.", formId="STRING", submissionId="STRING"),
        _event(
            "journeyEntered",
            "Journey Entered",
            "The person entered a journey, by a message or as a participant.",
            journeyId="STRING",
            messageId="STRING",
            text="STRING",
        ),
        _event(
            "pageView",
            "Page View",
            "A page was looked at.",
            url="STRING",
            path="STRING",
            title="STRING",
            referrer="STRING",
            language="STRING",
            userAgent="STRING",
            campaign="STRING",
        ),
        _event("visitorIdentified", "Visitor Identified", "A visitor of a website turned out to be this person."),
        _event("journeyExited", "Journey Exited", "The person left a journey.", journeyId="STRING"),
        _event(
            "chatbotSessionStarted",
            "Chatbot Session Started",
            "A chatbot session began.",
            botId="STRING",
            sessionId="STRING",
            channel="STRING",
        ),
        _event(
            "chatbotSessionEnded",
            "Chatbot Session Ended",
            "A chatbot session ended.",
            botId="STRING",
            sessionId="STRING",
            channel="STRING",
        ),
        _event(
            "conversationCreated",
            "Conversation Created",
            "A conversation began.",
            conversationId="STRING",
            channel="STRING",
            agentId="STRING",
        ),
        _event(
            "conversationFinished",
            "Conversation Finished",
            "A conversation ended.",
            conversationId="STRING",
            channel="STRING",
            agentId="STRING",
        ),
    )
}
