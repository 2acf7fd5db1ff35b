"""Tasks that move traffic: each calls hooks, logs what it did and pushes its piece of a record."""
