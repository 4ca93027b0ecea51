"""Finding the function: `module.function`, `package.module.function` or `folder/module.function`."""

import imp
import importlib
import os
import sys

from lambda_runtime.failure import Failure


def load(name):
    """The function. Raises a Failure where there is none, and whatever its module raises."""
    try:
        module_name, function = name.rsplit(".", 1)
    except ValueError as error:
        raise Failure("Runtime.MalformedHandlerName", "Bad handler '%s': %s" % (name, error))
    try:
        module = _module(module_name)
    except ImportError as error:
        raise Failure("Runtime.ImportModuleError", "Unable to import module '%s': %s" % (module_name, error))
    except SyntaxError as error:
        frames = [(error.filename, error.lineno, "", error.text)]
        raise Failure("Runtime.UserCodeSyntaxError", "Syntax error in module '%s': %s" % (module_name, error), frames)
    try:
        return getattr(module, function)
    except AttributeError:
        message = "Handler '%s' missing on module '%s'" % (function, module_name)
        raise Failure("Runtime.HandlerNotFound", message)


def _module(name):
    folder, _, module = name.rpartition("/")
    if not folder or any(os.path.isfile(os.path.join(place, folder, "__init__.py")) for place in sys.path):
        return importlib.import_module(name.replace("/", "."))
    if module in sys.builtin_module_names:
        raise ImportError("Cannot use built-in module %s as a handler module" % module)
    # folders that are no packages, which Python 2 does not import from
    found = imp.find_module(module, [os.path.join(place, folder) for place in sys.path])
    try:
        return imp.load_module(module, *found)
    finally:
        if found[0]:
            found[0].close()
