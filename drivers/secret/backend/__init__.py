"""Encryption of values at rest: ``keys`` gives the key of a root, ``vault`` uses it."""
