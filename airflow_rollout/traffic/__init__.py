"""One file a router: read its record and live weight, write both in one request; no I/O here."""
