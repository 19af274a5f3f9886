"""Accounts, API keys and scopes: who may ask."""
