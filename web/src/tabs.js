// The three tabs of a first visit: read, write, live. Each runs as it stands.
import { headersText } from "./key.js";

const PERSONS = `query Persons {
  persons(first: 10) {
    nodes {
      id
      type
      firstName
      lastName
      emails {
        address
        primary
      }
      tags
      customAttributes
      timeline(first: 5) {
        nodes {
          type
          title
          occurredAt
        }
      }
    }
  }
}
`;

const CREATE = `mutation CreatePerson($input: CreatePersonInput!) {
  createPerson(input: $input) {
    person {
      id
      version
      createdAt
    }
    errors {
      code
      message
      path
      existingId
    }
  }
}
`;

const LIVE = `subscription Live {
  timelineEvents {
    cursor
    kind
    event {
      id
      type
      title
      occurredAt
      properties
      person {
        id
        firstName
        lastName
      }
    }
  }
}
`;

const NEW_PERSON = {
  input: {
    firstName: "Ada",
    lastName: "Lovelace",
    emails: [{ address: "ada@example.com" }],
    tags: ["first-steps"],
  },
};

export function defaultTabs() {
  const headers = headersText();
  return [
    { query: PERSONS, headers },
    { query: CREATE, variables: JSON.stringify(NEW_PERSON, null, 2), headers },
    { query: LIVE, headers },
  ];
}
