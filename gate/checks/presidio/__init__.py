"""How gate runs Presidio's own recognisers: the same findings, on the few texts that can have any."""
