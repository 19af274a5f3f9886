"""CRMs and persons in step: Salesforce and Dynamics 365, both ways."""
