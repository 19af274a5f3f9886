"""The services that resolvers call."""

from dataclasses import dataclass

from app.access.service import Access
from app.catalog.service import CatalogService
from app.companies.service import Companies
from app.core.pages import Signer
from app.identity.duplicates import Duplicates
from app.identity.mobile import Installations
from app.identity.service import Merges
from app.imports.service import Imports
from app.intake.contacts import Channels
from app.intake.submissions import Forms
from app.intake.visitors import Visitors
from app.persons.batch import Batches
from app.persons.service import Persons
from app.persons.track import Tracking
from app.sync.service import Syncs
from app.timeline.service import Timeline


@dataclass(frozen=True, slots=True)
class Services:
    """One of each room, on one store."""

    access: Access
    catalog: CatalogService
    timeline: Timeline
    companies: Companies
    persons: Persons
    batches: Batches
    tracking: Tracking
    visitors: Visitors
    merges: Merges
    installations: Installations
    duplicates: Duplicates
    channels: Channels
    forms: Forms
    imports: Imports
    syncs: Syncs
    signer: Signer
