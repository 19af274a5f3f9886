"""Person profiles: fields, contacts, filters, and the one path that writes them."""
