"""What Debian's patches put into the library of CPython, and what upstream has there, for each version.

Source: Debian's patches distutils-install-layout, sysconfig-debian-schemes and locale-module, and the same files of
CPython.
"""

from __future__ import annotations

from collections.abc import Mapping

Patch = tuple[str, str]
"""Debian's text, which is in its file once, and upstream's."""

_LOCAL_PLACES = """
            if is_virtual_environment:
                sitepackages.append(os.path.join(prefix, "lib",
                                                 "python%d.%d" % sys.version_info[:2],
                                                 "site-packages"))
            sitepackages.append(os.path.join(prefix, "local/lib",
                                             "python%d.%d" % sys.version_info[:2],
                                             "dist-packages"))
            sitepackages.append(os.path.join(prefix, "lib",
                                             "python3",
                                             "dist-packages"))
            # this one is deprecated for Debian
"""
_LOCAL_PLACES_39 = _LOCAL_PLACES.replace('"python%d.%d" % sys.version_info[:2]', '"python" + sys.version[:3]').replace(
    "is_virtual_environment", "'VIRTUAL_ENV' in os.environ or sys.base_prefix != sys.prefix"
)
_SITE: Mapping[str, tuple[Patch, ...]] = {
    "2.7": (
        (
            """    if ENABLE_USER_SITE:
        for dist_libdir in ("local/lib", "lib"):
            user_site = os.path.join(USER_BASE, dist_libdir,
                                     "python" + sys.version[:3],
                                     "dist-packages")
            if os.path.isdir(user_site):
                addsitedir(user_site, known_paths)
""",
            "",
        ),
        (
            """            sitepackages.append(os.path.join(prefix, "local/lib",
                                        "python" + sys.version[:3],
                                        "dist-packages"))
            sitepackages.append(os.path.join(prefix, "lib",
                                        "python" + sys.version[:3],
                                        "dist-packages"))
""",
            """            sitepackages.append(os.path.join(prefix, "lib",
                                        "python" + sys.version[:3],
                                        "site-packages"))
""",
        ),
    ),
    "3.9": (
        (_LOCAL_PLACES_39, "\n"),
        (
            """path = os.path.join(prefix, libdir,
                                    "python" + sys.version[:3],
                                    "dist-packages")""",
            """path = os.path.join(prefix, libdir,
                                    "python" + sys.version[:3],
                                    "site-packages")""",
        ),
    ),
    "3.11": (
        (_LOCAL_PLACES, "\n"),
        (
            """path = os.path.join(prefix, libdir,
                                    "python%d.%d" % sys.version_info[:2],
                                    "dist-packages")""",
            """path = os.path.join(prefix, libdir,
                                    "python%d.%d" % sys.version_info[:2],
                                    "site-packages")""",
        ),
    ),
    "3.13": (
        (_LOCAL_PLACES, "\n"),
        (
            """
                                    f"{implementation}{ver[0]}.{ver[1]}{abi_thread}",
                                    "dist-packages")
""",
            """
                                    f"{implementation}{ver[0]}.{ver[1]}{abi_thread}",
                                    "site-packages")
""",
        ),
    ),
}
_SCHEMES: tuple[Patch, ...] = (
    (
        """
    'deb_system': {
        'stdlib': '{installed_base}/lib/python{py_version_short}',
        'platstdlib': '{platbase}/lib/python{py_version_short}',
        'purelib': '{base}/lib/python3/dist-packages',
        'platlib': '{platbase}/lib/python3/dist-packages',
        'include':
            '{installed_base}/include/python{py_version_short}{abiflags}',
        'platinclude':
            '{installed_platbase}/include/python{py_version_short}{abiflags}',
        'scripts': '{base}/bin',
        'data': '{base}',
        },
    'posix_local': {
        'stdlib': '{installed_base}/lib/python{py_version_short}',
        'platstdlib': '{platbase}/lib/python{py_version_short}',
        'purelib': '{base}/local/lib/python{py_version_short}/dist-packages',
        'platlib': '{platbase}/local/lib/python{py_version_short}/dist-packages',
        'include':
            '{installed_base}/include/python{py_version_short}{abiflags}',
        'platinclude':
            '{installed_platbase}/include/python{py_version_short}{abiflags}',
        'scripts': '{base}/local/bin',
        'data': '{base}/local',
        },
""",
        "\n",
    ),
    ("('posix_prefix', 'posix_home', 'posix_local', 'deb_system')", "('posix_prefix', 'posix_home')"),
    (
        """
        # default to /usr for package builds, /usr/local otherwise
        deb_build = os.environ.get('DEB_PYTHON_INSTALL_LAYOUT', 'posix_local')
        if deb_build in ('deb', 'deb_system'):
            prefix_scheme = 'deb_system'
        else:
            prefix_scheme = 'posix_local'
""",
        """
        prefix_scheme = 'posix_prefix'
""",
    ),
)
_DISTUTILS: Mapping[str, tuple[Patch, ...]] = {
    "distutils/command/install.py": (('self.select_scheme("unix_local")', 'self.select_scheme("unix_prefix")'),),
    "distutils/sysconfig.py": (
        (
            'return os.path.join(prefix, "lib", "python3", "dist-packages")',
            'return os.path.join(libpython, "site-packages")',
        ),
    ),
}

PATCHES: Mapping[str, Mapping[str, tuple[Patch, ...]]] = {
    "2.7": {
        "site.py": _SITE["2.7"],
        "distutils/command/install.py": _DISTUTILS["distutils/command/install.py"],
        "distutils/sysconfig.py": (
            (
                'return os.path.join(libpython, "dist-packages")\n        else:',
                'return os.path.join(libpython, "site-packages")\n        else:',
            ),
        ),
    },
    "3.9": {"site.py": _SITE["3.9"], **_DISTUTILS},
    "3.11": {"site.py": _SITE["3.11"], "sysconfig.py": _SCHEMES, **_DISTUTILS},
    "3.13": {"site.py": _SITE["3.13"], "sysconfig/__init__.py": _SCHEMES},
    "3.14": {"site.py": _SITE["3.13"], "sysconfig/__init__.py": _SCHEMES},
}
"""Version -> file below lib/pythonX.Y -> what to turn back in it."""
