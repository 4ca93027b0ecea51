"""Verifying an image as a stranger: from its name, a key and a policy, with nothing else believed.

Whatever is missing, damaged or unknown is refused. A bundle holds all that this needs, for where there is no network.
"""
