"""Paired statistics over evaluations, and what follows: the promotion verdict, its statement, the champion."""
