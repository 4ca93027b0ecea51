"""A module of a package."""


def handler(event, context):
    return __name__.split(".")[-1]


def echo(event, context):
    return event
