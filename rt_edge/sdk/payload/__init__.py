"""Payload codecs that more than one protocol carries: bytes -> rows of (time or None, fields). Pure functions, bounded."""
