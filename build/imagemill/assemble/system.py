"""What maintainer scripts would have done, done natively: accounts, links, certificates, first configuration.

Each rule belongs to a Debian package and applies when that package is in the layer. Left out on purpose:
the cache of ldconfig (foreign architectures cannot be cached natively, and Debian's loader has its directories
built in), systemd units, and debconf's answers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec.structs import replace

from imagemill.assemble import alternatives, certificates
from imagemill.errors import AssembleError
from imagemill.filetree import Entry, Tree
from imagemill.manifest import Base, User

_DAY = 86400
_UTMP = 43  # group numbers of base-passwd, the same in every Debian
_SHADOW = 42

_ACCOUNTS = "usr/share/base-passwd/passwd.master"
_GROUPS = "usr/share/base-passwd/group.master"
_MERGED = ("bin", "sbin", "lib")
_LOCAL = ("bin", "etc", "games", "include", "lib", "libexec", "sbin", "share", "share/man", "src")
_TOP = ("dev", "etc/opt", "home", "media", "mnt", "opt", "proc", "run", "srv", "sys", "var/opt")


def finish(tree: Tree, packages: set[str], base: Base, mtime: int) -> Tree:
    """What to add to `tree`, whose files come from `packages`.

    No file of a package is replaced; a directory is where a link belongs (/var/run).
    """
    made: Tree = {}
    for package, rule in _RULES.items():
        if package in packages:
            made |= rule(tree, mtime)
    if "base-passwd" in packages:
        made |= _accounts(tree, base.users, mtime)
    if "dpkg" in packages:
        made["etc/dpkg/dpkg.cfg.d/imagemill"] = _file(dpkg_excludes((*base.drop, *base.system.drop)), mtime)
    made |= alternatives.links(tree, packages, mtime)
    return {path: entry for path, entry in made.items() if path not in tree or _becomes_link(tree[path], entry)}


def _becomes_link(there: Entry, entry: Entry) -> bool:
    return there.kind == "dir" and entry.kind == "symlink"


def dpkg_excludes(globs: Sequence[str]) -> bytes:
    """A configuration for dpkg by which it leaves out of packages what the layers leave out of them."""
    lines = ["# what these images are made without; see dpkg(1)"]
    lines += [f"path-exclude={glob}" for glob in globs]
    lines += [f"path-exclude={glob}/*" for glob in globs if not glob.endswith("*")]
    lines.append("path-include=/usr/share/doc/*/copyright")
    return "".join(f"{line}\n" for line in lines).encode()


def _file(content: bytes, mtime: int, mode: int = 0o644, gid: int = 0) -> Entry:
    return Entry("file", mode, 0, gid, mtime, content)


def _link(target: str, mtime: int) -> Entry:
    return Entry("symlink", 0o777, mtime=mtime, target=target)


def _dir(mtime: int, mode: int = 0o755) -> Entry:
    return Entry("dir", mode, mtime=mtime)


def _copy(tree: Tree, source: str, mtime: int) -> Entry:
    return replace(_source(tree, source), mtime=mtime)


def _source(tree: Tree, path: str) -> Entry:
    """A file that a rule works from; AssembleError when the package does not have it any more."""
    try:
        return tree[path]
    except KeyError:
        raise AssembleError(
            f"/{path} is missing, which its package always had",
            "do not drop it; if the package changed, bring assemble/system.py up to date",
        ) from None


def _accounts(tree: Tree, users: Sequence[User], mtime: int) -> Tree:
    """passwd, group and shadow from base-passwd's masters and the manifest's users."""
    passwd = _source(tree, _ACCOUNTS).read().decode().replace(":*:", ":x:").splitlines()
    group = _source(tree, _GROUPS).read().decode().replace(":*:", ":x:").splitlines()
    for user in users:
        passwd.append(f"{user.name}:x:{user.uid}:{user.gid}::{user.home}:{user.shell}")
        group.append(f"{user.name}:x:{user.gid}:")
    shadow = [f"{line.partition(':')[0]}:*:{mtime // _DAY}:0:99999:7:::" for line in passwd]
    gshadow = [f"{line.partition(':')[0]}:*::" for line in group]
    return {
        "etc/passwd": _file(_lines(passwd), mtime),
        "etc/group": _file(_lines(group), mtime),
        "etc/shadow": _file(_lines(shadow), mtime, 0o640, _SHADOW),
        "etc/gshadow": _file(_lines(gshadow), mtime, 0o640, _SHADOW),
        "etc/subuid": _file(b"", mtime),
        "etc/subgid": _file(b"", mtime),
    }


def _lines(lines: Sequence[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


def _base_files(tree: Tree, mtime: int) -> Tree:
    share = "usr/share/base-files"
    made: Tree = {path: _dir(mtime) for path in _TOP}
    made |= {f"usr/local/{name}": _dir(mtime) for name in _LOCAL}
    made |= {path: _dir(mtime, 0o1777) for path in ("tmp", "var/tmp", "run/lock")}
    made |= {name: _link(f"usr/{name}", mtime) for name in _MERGED}
    if any(path.startswith("usr/lib64/") for path in tree):  # where the loader of amd64 is looked for
        made["lib64"] = _link("usr/lib64", mtime)
    made |= {
        "root": _dir(mtime, 0o700),
        "var/run": _link("/run", mtime),
        "var/lock": _link("/run/lock", mtime),
        "usr/local/man": _link("share/man", mtime),
        "etc/dpkg/origins/default": _link("debian", mtime),
        "etc/profile": _copy(tree, f"{share}/profile", mtime),
        "etc/motd": _copy(tree, f"{share}/motd", mtime),
        "root/.profile": _copy(tree, f"{share}/dot.profile", mtime),
        "root/.bashrc": _copy(tree, f"{share}/dot.bashrc", mtime),
        "var/log/wtmp": _file(b"", mtime, 0o664, _UTMP),
        "var/log/btmp": _file(b"", mtime, 0o660, _UTMP),
        "var/log/lastlog": _file(b"", mtime, 0o664, _UTMP),
    }
    return made


def _ca_certificates(tree: Tree, mtime: int) -> Tree:
    return {**certificates.bundle(tree, mtime), "usr/local/share/ca-certificates": _dir(mtime)}


def _debconf(tree: Tree, mtime: int) -> Tree:
    cache = "var/cache/debconf"
    return {
        f"{cache}/config.dat": _file(b"", mtime),
        f"{cache}/templates.dat": _file(b"", mtime),
        f"{cache}/passwords.dat": _file(b"", mtime, 0o600),
    }


def _debianutils(tree: Tree, mtime: int) -> Tree:
    """/etc/shells, and the state from which update-shells(8) goes on."""
    shells = _source(tree, "usr/share/debianutils/shells").read().decode().splitlines()
    listed = set()
    for path, entry in tree.items():
        if path.startswith("usr/share/debianutils/shells.d/") and entry.kind == "file":
            listed |= {line for line in entry.read().decode().splitlines() if line.startswith("/")}
    # with a merged /usr each shell has two names
    listed |= {f"/usr{shell}" for shell in listed if shell.startswith("/bin/")}
    listed |= {shell.removeprefix("/usr") for shell in listed}
    added = sorted(listed - set(shells))
    return {
        "etc/shells": _file(_lines([*shells, *added]), mtime),
        "var/lib/shells.state": _file(_lines(added), mtime),
    }


def _libc_bin(tree: Tree, mtime: int) -> Tree:
    return {"etc/nsswitch.conf": _copy(tree, "usr/share/libc-bin/nsswitch.conf", mtime)}


def _netbase(tree: Tree, mtime: int) -> Tree:
    networks = ("default\t\t0.0.0.0", "loopback\t127.0.0.0", "link-local\t169.254.0.0")
    return {"etc/networks": _file(_lines(networks), mtime)}


def _python3(tree: Tree, mtime: int) -> Tree:
    text = b"[DEFAULT]\n# how to byte-compile (comma separated: standard, optimize)\nbyte-compile = standard\n"
    return {"etc/python3/debian_config": _file(text, mtime)}


def _readline(tree: Tree, mtime: int) -> Tree:
    return {"etc/inputrc": _copy(tree, "usr/share/readline/inputrc", mtime)}


def _tzdata(tree: Tree, mtime: int) -> Tree:
    return {
        "etc/localtime": _link("/usr/share/zoneinfo/Etc/UTC", mtime),
        "etc/timezone": _file(b"Etc/UTC\n", mtime),
    }


_RULES: dict[str, Callable[[Tree, int], Tree]] = {
    "base-files": _base_files,
    "ca-certificates": _ca_certificates,
    "debconf": _debconf,
    "debianutils": _debianutils,
    "libc-bin": _libc_bin,
    "netbase": _netbase,
    "python3": _python3,
    "readline-common": _readline,
    "tzdata": _tzdata,
}
