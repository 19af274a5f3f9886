"""Companies, their members and what they pass on to them."""
