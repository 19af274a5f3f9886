"""Tags, attribute definitions, event definitions and the checks of values against them."""
