"""The servers and judges of places.py and ecr_place.py, for all tests here."""

from ecr_place import amazon
from places import authorities, judges, place, plain_place, tokens, trust_server

__all__ = ["amazon", "authorities", "judges", "place", "plain_place", "tokens", "trust_server"]
