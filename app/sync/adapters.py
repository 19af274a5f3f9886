"""Which adapter speaks with which system."""

from app.sync.crm import DYNAMICS, Credentials, Crm
from app.sync.dynamics import Dynamics
from app.sync.salesforce import Salesforce
from app.sync.wire import PATIENT, Patience


def opened(system: str, credentials: Credentials, *, loopback: bool, patience: Patience = PATIENT) -> Crm:
    """Return the line to a CRM; `loopback` lets it be on this machine, for tests and demos."""
    make = Dynamics if system == DYNAMICS else Salesforce
    return make(credentials, loopback=loopback, patience=patience)
