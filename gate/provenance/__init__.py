"""Who said what about which bytes: signed statements, keys, trust, and what follows from them."""
