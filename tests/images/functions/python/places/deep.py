"""A module in a folder that is no package."""


def handler(event, context):
    return __name__.split(".")[-1]
