"""The nouns that the parts of the system share; no module here reads or writes anything."""
