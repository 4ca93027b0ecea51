"""The servers and judges of places.py, for all tests here."""

from places import authorities, judges, place, plain_place, tokens, trust_server

__all__ = ["authorities", "judges", "place", "plain_place", "tokens", "trust_server"]
