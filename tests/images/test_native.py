"""Native dependencies: what a build image compiles runs in the run image, on the foreign architecture too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from stage import DURATION, FOREIGN, FUNCTIONS, IMAGES, Loaded

from imagemill.engine import containers
from imagemill.plan import Image
from imagemill.platforms import Platform, native

pytestmark = pytest.mark.engine


@dataclass(frozen=True)
class Dependency:
    """What a language's own tools compile, and `app.handler`, which answers 42 with its help."""

    command: str
    files: Mapping[str, str]


EXTENSION = Dependency(
    "pip install --no-build-isolation --no-index -t . .",
    {
        "setup.py": "from setuptools import Extension, setup\n"
        "setup(name='quick', version='1', ext_modules=[Extension('quick', ['quick.c'])])\n",
        "quick.c": """#include <Python.h>
static PyObject *twice(PyObject *self, PyObject *n) { return PyLong_FromLong(2 * PyLong_AsLong(n)); }
static PyMethodDef methods[] = {{"twice", twice, METH_O, ""}, {0}};
#if PY_MAJOR_VERSION == 2
PyMODINIT_FUNC initquick(void) { Py_InitModule("quick", methods); }
#else
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "quick", "", -1, methods};
PyMODINIT_FUNC PyInit_quick(void) { return PyModule_Create(&module); }
#endif
""",
        "app.py": "import quick\ndef handler(event, context): return quick.twice(event['n'])\n",
    },
)
ADDON = Dependency(
    "npm install",
    {
        "package.json": '{"name": "quick", "version": "1.0.0", "gypfile": true}',
        "binding.gyp": '{"targets": [{"target_name": "quick", "sources": ["quick.c"]}]}',
        "quick.c": """#include <node_api.h>
static napi_value init(napi_env env, napi_value exports) {
  napi_value v; napi_create_int32(env, 42, &v); napi_set_named_property(env, exports, "answer", v); return exports;
}
NAPI_MODULE(quick, init)
""",
        "app.js": "exports.handler = async () => require('./build/Release/quick.node').answer;\n",
    },
)
GEM = Dependency(
    "gem build -q native.gemspec && mkdir -p vendor/cache && mv native-1.0.0.gem vendor/cache && "
    "bundle config set --local path vendor/bundle && bundle install --local",
    {
        path.relative_to(FUNCTIONS / "ruby" / "native").as_posix(): path.read_text(encoding="utf-8")
        for path in (FUNCTIONS / "ruby" / "native").rglob("*")
        if path.is_file()
    },
)
DEPENDENCIES = {"python": EXTENSION, "nodejs": ADDON, "ruby": GEM}
WITHOUT_ADDONS = ("nodejs4.3", "nodejs6.10", "nodejs8.10")  # the addon's own interface is newer

BUILD = [
    image
    for image in IMAGES
    if image.variant == "build" and image.runtime.family in DEPENDENCIES and image.runtime.name not in WITHOUT_ADDONS
]
NEWEST = {image.runtime.family: image for image in sorted(BUILD, key=lambda image: image.runtime.released)}.values()


@pytest.mark.parametrize(
    ("build", "platform"),
    [
        *(pytest.param(image, native(), id=image.tags[-1]) for image in BUILD),
        # emulated: one of each language
        *(pytest.param(image, other, id=f"{image.tags[-1]}-{other.arch}") for image in NEWEST for other in FOREIGN),
    ],
)
def test_what_the_build_image_compiles_runs_in_the_run_image(
    build: Image, platform: Platform, runner: containers.Runner, loaded: Loaded, tmp_path: Path
) -> None:
    dependency = DEPENDENCIES[build.runtime.family]
    for name, text in dependency.files.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    tmp_path.chmod(0o755)
    made = runner.run(
        loaded(build, platform),
        args=["sh", "-ec", dependency.command],
        mounts=[containers.Mount(tmp_path, "/var/task", read_only=False)],
        platform=platform,
        network="none",
        timeout=10 * DURATION,
    )
    assert made.code == 0, made.stderr.decode() + made.stdout.decode()
    run = next(one for one in IMAGES if one.runtime == build.runtime and one.variant == "run")
    done = runner.run(
        loaded(run, platform),
        args=["app.handler", '{"n": 21}'],
        mounts=[containers.Mount(tmp_path, "/var/task")],
        platform=platform,
        network="none",
        timeout=4 * DURATION,
    )
    assert done.stdout.splitlines()[-1] == b"42", done.stderr
