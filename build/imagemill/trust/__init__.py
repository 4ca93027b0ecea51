"""Content trust: keys, Notary's metadata, and what signs either."""
