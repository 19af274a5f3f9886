"""Who is who: persons are merged and told apart again, logins and duplicates are decided."""
