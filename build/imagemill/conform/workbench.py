"""What is tried in a build image: its tools are started, and what they compile is run; as steps of its session.

Where a processor is emulated, what takes minutes is left out: tools that are scripts or that every language's image
has, and compilers that run in a virtual machine or compile their own library first.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping

from imagemill.conform.finding import Subject
from imagemill.conform.view import View

_PROGRAM = """printf '#include <stdio.h>\\nint main(void) { puts("42"); return 0; }\\n' >answer.c
gcc -O1 answer.c -o answer && ./answer"""

_EXTENSION = r"""cat >quick.c <<'END'
#include <Python.h>
static PyObject *twice(PyObject *self, PyObject *n) { return PyLong_FromLong(2 * PyLong_AsLong(n)); }
static PyMethodDef methods[] = {{"twice", twice, METH_O, ""}, {0}};
#if PY_MAJOR_VERSION == 2
PyMODINIT_FUNC initquick(void) { Py_InitModule("quick", methods); }
#else
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "quick", "", -1, methods};
PyMODINIT_FUNC PyInit_quick(void) { return PyModule_Create(&module); }
#endif
END
headers=$(python -c 'import sysconfig; print(sysconfig.get_paths()["include"])')
gcc -shared -fPIC -I"$headers" quick.c -o quick.so && python -c 'import quick; print(quick.twice(21))'"""

_ADDON = r"""cat >quick.c <<'END'
#include <node_api.h>
static napi_value init(napi_env env, napi_value exports) {
  napi_value v; napi_create_int32(env, 42, &v); napi_set_named_property(env, exports, "answer", v); return exports;
}
NAPI_MODULE(quick, init)
END
gcc -shared -fPIC -I/var/lang/include/node quick.c -o quick.node
node -e 'console.log(require("./quick.node").answer)'"""

_GEM = r"""cat >quick.c <<'END'
#include <ruby.h>
static VALUE answer(VALUE self) { return INT2FIX(42); }
void Init_quick(void) { rb_define_singleton_method(rb_define_module("Quick"), "answer", answer, 0); }
END
ruby -rmkmf -e 'create_makefile("quick")' && make && ruby -I. -e 'require "quick"; puts Quick.answer'"""

_CLASS = """printf 'class Quick { public static void main(String[] a) { System.out.println(42); } }' >Quick.java
javac Quick.java && java Quick"""

_GO = """printf 'package main\\nfunc main() { println(42) }\\n' >quick.go
HOME=$PWD GOFLAGS=-mod=mod GOTOOLCHAIN=local go build -o quick quick.go && ./quick"""

# as a project, since that takes more than the compiler: MSBuild, NuGet, and what the SDK has of packages, for there is
# no network; .NET Core 2.1 unpacks these first, which takes half a minute. The framework is the SDK's own version.
_PROJECT = """cat >quick.csproj <<'END'
<Project Sdk="Microsoft.NET.Sdk">
  <PropertyGroup>
    <OutputType>Exe</OutputType>
    <TargetFramework>netcoreapp$(BundledNETCoreAppTargetFrameworkVersion)</TargetFramework>
  </PropertyGroup>
</Project>
END
printf 'class Quick { static void Main() { System.Console.WriteLine(42); } }\\n' >Quick.cs
dotnet build -o out && dotnet out/quick.dll"""

_LANGUAGES: Mapping[str, tuple[str, str, bool]] = {
    "python": ("an extension of Python", _EXTENSION, True),
    "nodejs": ("an addon of Node.js", _ADDON, True),
    "ruby": ("an extension of Ruby", _GEM, False),
    "java": ("a class of Java", _CLASS, False),
    "go": ("a program in Go", _GO, False),
    "dotnet": ("a program in C#", _PROJECT, False),
}
"""Family -> what is compiled, how, and whether it takes seconds where the processor is emulated."""

ANSWER = "42"
"""What everything that is compiled prints."""
_WITHOUT_ADDONS = 10  # the interface that the addon uses is as old as this Node.js
TOOLS = "the tools"
"""The step that starts them: it prints a line for each that does not, and in the end `started`."""

# `timeout` ends with 126 or 127 for what cannot be started, 124 for what does not end; other codes are for tools that
# do not know --version, as long as it is not their own modules that they miss
_START = """for tool in {tools}; do
  said=$(timeout 60 "$tool" --version </dev/null 2>&1); code=$?
  case $said in
    *ModuleNotFoundError*|*ImportError*|*'Cannot find module'*|*'cannot load such file'*|*NoClassDef*) code=1000 ;;
  esac
  [ $code -lt 124 ] || printf '%s: %s: %s\\n' "$tool" $code "$(printf %s "$said" | tail -n 1)"
done
echo started"""


def steps(view: View, subject: Subject) -> dict[str, str]:
    """What is tried in the session of a build image; nothing in others."""
    if subject.image.variant != "build":
        return {}
    runtime = subject.image.runtime
    found = {TOOLS: _START.format(tools=" ".join(tried(view, subject))), "a program in C": _PROGRAM}
    if runtime.family in _LANGUAGES and not (runtime.family == "nodejs" and int(runtime.major) < _WITHOUT_ADDONS):
        what, script, quick = _LANGUAGES[runtime.family]
        if quick or not subject.emulated:
            found[what] = script
    return {TOOLS: found.pop(TOOLS), **{what: f'cd "$(mktemp -d)" && {{ {made}\n}}' for what, made in found.items()}}


def tried(view: View, subject: Subject) -> list[str]:
    """The tools that are started: all; where the processor is emulated, those of the language that are no scripts."""
    if not subject.emulated:
        return list(subject.image.tools)
    runtime = subject.image.runtime
    languages = {*runtime.tools, *runtime.build_tools}
    programs = {key for key, _ in view.programs()}
    folders = [folder for folder in view.config.env.get("PATH", "").split(":") if folder.startswith("/")]
    return [
        tool
        for tool in subject.image.tools
        if tool in languages
        and next(filter(None, (view.resolve(posixpath.join(folder, tool)) for folder in folders)), "") in programs
    ]
