"""One file a metric system: what to ask and how to read the answer; no socket is opened here."""
