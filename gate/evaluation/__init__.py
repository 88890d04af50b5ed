"""Suites → what one model scores on every item of them, kept and signed. Measures; the verdict is gate.promotion's."""
