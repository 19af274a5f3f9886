"""Customer Profiles: the memory of a business about its people."""

__version__ = "0.1.0"
