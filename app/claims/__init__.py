"""One key, one owner: the only uniqueness there is."""
