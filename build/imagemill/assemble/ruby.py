"""Ruby at /var/lang: Debian's interpreter, library and gems in the places of upstream's `--prefix=/var/lang`.

Debian builds Ruby with its prefix inside (no `--enable-load-relative`), for several architectures and versions side by
side. Here it is turned back: the load path that is compiled into libruby, the settings of rbconfig.rb, which
RubyGems and mkmf go by, and the first lines of commands. libruby itself stays where the loader of Debian looks.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from msgspec.structs import replace

from imagemill.errors import AssembleError
from imagemill.filetree import Entry, Tree
from imagemill.platforms import Platform

PREFIX = "var/lang"

_COMMANDS = ("bundle", "bundler", "erb", "gem", "irb", "racc", "racc2y", "rake", "rbs", "rdbg", "rdoc", "ri", "ruby",
             "syntax_suggest", "typeprof", "y2racc")  # fmt: skip

# settings of rbconfig.rb as upstream's configure makes them without --enable-multiarch, --program-suffix and
# --with-sitedir; source: configure.ac and tool/mkconfig.rb of Ruby 2.7 and 3.3
_SETTINGS: Mapping[str, str] = {
    "RUBY_EXEC_PREFIX": "/var/lang",
    "RUBY_INSTALL_NAME": "$(RUBY_BASE_NAME)",
    "arch": "{arch}",
    "archlibdir": "/usr/lib/{multiarch}",
    "program_transform_name": "s,x,x,",
    "ruby_install_name": "$(RUBY_BASE_NAME)",
    "rubyarchdir": "$(rubylibdir)/$(arch)",
    "rubyarchhdrdir": "$(rubyhdrdir)/$(arch)",
    "rubyarchprefix": "$(rubylibprefix)/$(arch)",
    "rubysitearchprefix": "$(rubylibprefix)/$(sitearch)",
    "sitearchdir": "$(sitelibdir)/$(sitearch)",
    "sitearchhdrdir": "$(sitehdrdir)/$(sitearch)",
    "sitedir": "$(rubylibprefix)/site_ruby",
    "vendorarchdir": "$(vendorlibdir)/$(sitearch)",
    "vendorarchhdrdir": "$(vendorhdrdir)/$(sitearch)",
}


def moves(version: str, platform: Platform) -> dict[str, str]:
    """Where the paths of Debian's packages of Ruby `version` (`3.3`) go."""
    abi, arch, lang = f"{version}.0", _arch(platform), f"/{PREFIX}"
    multiarch = platform.multiarch
    return {
        **{f"/usr/bin/{name}{version}": f"{lang}/bin/{name}" for name in _COMMANDS},
        f"/usr/include/ruby-{abi}": f"{lang}/include/ruby-{abi}",
        f"/usr/include/{multiarch}/ruby-{abi}": f"{lang}/include/ruby-{abi}/{arch}",
        "/usr/lib/ruby": f"{lang}/lib/ruby",
        f"/usr/lib/ruby/gems/{abi}/extensions/{multiarch}": f"{lang}/lib/ruby/gems/{abi}/extensions/{arch}",
        f"/usr/lib/{multiarch}/ruby/{abi}": f"{lang}/lib/ruby/{abi}/{arch}",
        f"/usr/lib/{multiarch}/ruby/vendor_ruby/{abi}": f"{lang}/lib/ruby/vendor_ruby/{abi}/{arch}",
        # libraries that Debian packages by themselves are gems of this Ruby
        "/usr/share/rubygems-integration/all": f"{lang}/lib/ruby/gems/{abi}",
    }


def finish(tree: Tree, version: str, platform: Platform) -> Tree:
    """The tree of a layer with Ruby `version` (`3.3`), moved by `moves`, that knows where it is.

    A layer of headers has no interpreter and stays as it is. Raises AssembleError naming the file where Debian's
    Ruby is not built as it was when this was written.
    """
    program, abi = f"{PREFIX}/bin/ruby", f"{version}.0"
    if program not in tree:
        return tree
    settings, library = f"{PREFIX}/lib/ruby/{abi}/{_arch(platform)}/rbconfig.rb", _library(tree, version, platform)
    if settings not in tree:
        raise AssembleError(f"/{settings} is missing", "compare the layout of Debian's packages with assemble/ruby.py")
    finished = dict(tree)
    finished[settings] = _with_settings(settings, tree[settings], abi, platform)
    finished[library] = _with_load_path(library, tree[library], abi, platform)
    for path, entry in tree.items():
        if path.startswith(f"{PREFIX}/bin/") and entry.kind == "file" and path != program:
            text = re.sub(rb"\A#!\s*/usr/bin/(?:env )?ruby[\d.]*", b"#!/var/lang/bin/ruby", entry.read())
            finished[path] = replace(entry, content=text)
    return finished


def _arch(platform: Platform) -> str:
    """What upstream's configure calls the platform."""
    return f"{platform.machine}-linux"


def _library(tree: Tree, version: str, platform: Platform) -> str:
    rule = re.compile(rf"usr/lib/{platform.multiarch}/libruby-{re.escape(version)}\.so\.[\d.]+")
    found = [path for path, entry in tree.items() if rule.fullmatch(path) and entry.kind == "file"]
    if len(found) != 1:
        raise AssembleError(
            f"there are {len(found)} files libruby-{version}.so of {platform}, not one",
            f"name the package libruby{version} in the manifest",
        )
    return found[0]


def _with_settings(path: str, entry: Entry, abi: str, platform: Platform) -> Entry:
    text = entry.read().decode()
    words = {"arch": _arch(platform), "multiarch": platform.multiarch}
    rules = [
        (rf'(?m)^(  CONFIG\["{name}"\] = ).*$', rf'\g<1>"{value.format(**words)}"') for name, value in _SETTINGS.items()
    ]
    rules.append(
        (r'(?m)^(  TOPDIR = File\.dirname\(__FILE__\)\.chomp!\()"[^"]*"', rf'\1"/lib/ruby/{abi}/{words["arch"]}"')
    )
    rules.append((r'(?m)^(  CONFIG\["prefix"\] = \(TOPDIR \|\| DESTDIR \+ )"[^"]*"', rf'\1"/{PREFIX}"'))
    for rule, new in rules:
        text, count = re.subn(rule, new, text)
        if count != 1:
            raise AssembleError(f"/{path} matches {rule} {count} times, not once", "bring assemble/ruby.py up to date")
    return replace(entry, content=text.encode())


def _with_load_path(path: str, entry: Entry, abi: str, platform: Platform) -> Entry:
    """The library with another `ruby_initial_load_paths`: strings one after the other that end with an empty one.

    Of upstream's three directories for vendors only one is among them: the others are empty, and would not fit.
    """
    content = entry.read()
    start = content.find(b"\0/usr/local/lib/site_ruby/" + abi.encode() + b"\0") + 1
    end = content.find(b"\0\0", start) + 1
    if not start or not end:
        raise AssembleError(f"/{path} does not hold Debian's load path", "bring assemble/ruby.py up to date")
    top = f"/{PREFIX}/lib/ruby"
    arch = _arch(platform)
    site = [f"{top}/site_ruby{below}" for below in (f"/{abi}", f"/{abi}/{arch}", "")]
    places = [*site, f"{top}/vendor_ruby", f"{top}/{abi}", f"{top}/{abi}/{arch}"]
    ours = b"".join(place.encode() + b"\0" for place in places)
    room = end - start
    if len(ours) > room:
        raise AssembleError(f"/{path} has room for {room} bytes of load path, not for {len(ours)}", "name fewer places")
    return replace(entry, content=content[:start] + ours.ljust(room, b"\0") + content[end:])
