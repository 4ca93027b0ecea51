"""What changed from one image to another: each kind of change is found, and told in every format."""

from __future__ import annotations

import copy
import hashlib
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from click.testing import CliRunner
from conform_images import ROOT, pack, write_layout
from msgspec.structs import replace

from imagemill import export
from imagemill.cli import main
from imagemill.diff import Change, Diff, diff, open_layout, told
from imagemill.errors import LayoutError, SelectionError
from imagemill.filetree import Entry, Tree
from imagemill.spool import Layers

CONFIG: dict[str, Any] = {
    "architecture": "amd64",
    "os": "linux",
    "created": "2026-01-01T00:00:00Z",
    "config": {"Env": ["PATH=/usr/bin:/opt/bin", "LANG=C"], "Cmd": ["x"], "Labels": {"a.b": "1"}},
}
STATUS = b"Package: bash\nStatus: install ok installed\nVersion: 5.2-1\n\nPackage: dash\nVersion: 1\n\n"
METADATA = b"Metadata-Version: 2.1\nName: Foo_Bar\nVersion: 1.0\n\nName: not this\nVersion: 9\n"
TREE: Tree = {
    "bin": Entry("symlink", 0o777, target="usr/bin"),
    "usr/bin/tool": Entry("file", 0o755, content=b"#!/bin/sh\n" * 100),
    "usr/bin/alias": Entry("symlink", 0o777, target="tool"),
    "usr/bin/text": Entry("file", content=b"no program"),
    "etc": Entry("dir", 0o755),
    "etc/a": Entry("file", mtime=5, content=b"content"),
    "var/lib/dpkg/status": Entry("file", content=STATUS),
    "lib/foo_bar-1.0.dist-info/METADATA": Entry("file", content=METADATA),
    "x/node_modules/@s/p/package.json": Entry("file", content=b'{"version": "1.2.3"}'),
    "x/node_modules/p/package.json": Entry("file", content=b'{"version": "1.0.0"}'),
    "x/node_modules/p/lib/package.json": Entry("file", content=b'{"version": "7"}'),
    "gems/specifications/default/json-2.7.1.gemspec": Entry("file", content=b"ruby"),
}

Spoil = Callable[[Tree, dict[str, Any]], None]


def between(folder: Path, spoil: Spoil) -> Diff:
    """The diff of the image above and one that `spoil` has changed."""
    tree, config = dict(TREE), copy.deepcopy(CONFIG)
    spoil(tree, config)
    for name in ("one", "other"):
        (folder / name).mkdir(parents=True)
    one = write_layout(folder / "one", CONFIG, [TREE])
    other = write_layout(folder / "other", config, [tree])
    with Layers(folder / "scratch") as layers:
        return diff(open_layout(one, layers, name="one"), open_layout(other, layers, name="other"))


def edit(path: str, **changes: Any) -> Spoil:
    return lambda tree, config: tree.update({path: replace(tree[path], **changes)})


def env(*rows: str) -> Spoil:
    return lambda tree, config: config["config"].update(Env=list(rows))


def setting(name: str, value: Any) -> Spoil:
    return lambda tree, config: config["config"].update({name: value})


CASES: dict[str, tuple[Spoil, list[str]]] = {
    "a variable": (
        env("PATH=/usr/bin:/opt/bin", "LANG=C.UTF-8", "NEW=1"),
        ["environment:", "  ~ LANG: C → C.UTF-8", "  + NEW 1"],
    ),
    "the command": (setting("Cmd", ["y", "z"]), ["configuration:", '  ~ Cmd: ["x"] → ["y", "z"]']),
    "a user": (setting("User", "app"), ["configuration:", "  + User app"]),
    "a label": (setting("Labels", {}), ["configuration:", "  - Labels.a.b 1"]),
    "a mode": (edit("etc/a", mode=0o600), ["files (1 changed):", "  ~ /etc/a mode 0644 → 0600"]),
    "an owner": (edit("etc/a", uid=7), ["files (1 changed):", "  ~ /etc/a owner 0:0 → 7:0"]),
    "content": (edit("etc/a", content=b"CONTENT"), ["files (1 changed):", "  ~ /etc/a content"]),
    "size": (edit("etc/a", content=b"longer content"), ["files (1 changed):", "  ~ /etc/a size 7 → 14, content"]),
    "a link": (edit("bin", target="/usr/bin"), ["files (1 changed):", "  ~ /bin link target usr/bin → /usr/bin"]),
    "a type": (
        lambda tree, config: tree.update({"etc/a": Entry("dir", 0o755)}),
        ["files (1 changed):", "  ~ /etc/a type file → dir, mode 0644 → 0755, size 7 → 0"],
    ),
    "a file more": (
        lambda tree, config: tree.update({"etc/b": Entry("file", 0o600, 1, 2, content=b"12")}),
        ["files (1 added):", "  + /etc/b file 0600 1:2 2 bytes"],
    ),
    "a file less": (
        lambda tree, config: tree.__delitem__("etc/a"),
        ["files (1 removed):", "  - /etc/a file 0644 0:0 7 bytes"],
    ),
    "a package of Debian": (
        edit("var/lib/dpkg/status", content=STATUS.replace(b"5.2-1", b"5.2-2").replace(b"dash", b"zsh_")),
        ["packages:", "  ~ dpkg bash: 5.2-1 → 5.2-2", "  - dpkg dash 1", "  + dpkg zsh_ 1"],
    ),
    "a wheel": (
        edit("lib/foo_bar-1.0.dist-info/METADATA", content=METADATA.replace(b"1.0", b"1.1")),
        ["packages:", "  ~ python foo-bar: 1.0 → 1.1"],
    ),
    "an npm package": (
        edit("x/node_modules/@s/p/package.json", content=b'{"version": "1.2.4"}'),
        ["packages:", "  ~ npm @s/p: 1.2.3 → 1.2.4"],
    ),
    "a second version": (
        lambda tree, config: tree.update(
            {"y/node_modules/p/package.json": Entry("file", content=b'{"version": "2.0.0"}')}
        ),
        ["packages:", "  ~ npm p: 1.0.0 → 1.0.0, 2.0.0"],
    ),
    "a gem": (
        lambda tree, config: tree.update({"gems/specifications/rake-13.1-x86.gemspec": Entry("file")}),
        ["packages:", "  + gem rake 13.1"],
    ),
    "a tool": (
        lambda tree, config: tree.update({"opt/bin/new": Entry("file", 0o755)}),
        ["tools:", "  + new /opt/bin/new"],
    ),
    "a tool that is none any more": (
        edit("usr/bin/tool", mode=0o644),
        ["tools:", "  - alias /usr/bin/alias", "  - tool /usr/bin/tool"],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_change_is_told(case: str, tmp_path: Path) -> None:
    spoil, expected = CASES[case]
    lines = told.to_text(between(tmp_path, spoil)).splitlines()
    begin = lines.index(expected[0])
    assert lines[begin : lines.index("", begin)] == expected


@pytest.mark.parametrize(
    "spoil",
    {
        "nothing": lambda tree, config: None,
        "what engines write for nothing": lambda tree, config: config["config"].update(
            OnBuild=None, User="", Volumes={}
        ),
        "times": lambda tree, config: config.update(created="2027-01-01T00:00:00Z") or edit("etc/a", mtime=9)(tree, {}),
    }.values(),
    ids=["nothing", "what engines write for nothing", "times"],
)
def test_what_does_not_count_is_no_difference(spoil: Spoil, tmp_path: Path) -> None:
    found = between(tmp_path, spoil)
    assert found.same
    assert told.to_text(found).endswith("\nno difference\n")
    assert told.to_markdown(found).endswith("No difference.\n")


def everything(tree: Tree, config: dict[str, Any]) -> None:
    for name, (spoil, _) in sorted(CASES.items()):
        if name not in ("a file less", "a type"):
            spoil(tree, config)
    tree |= {f"many/{number}|<b>": Entry("file") for number in range(500)}


def test_every_format_tells_all_of_it(tmp_path: Path) -> None:
    found = between(tmp_path, everything)
    schema = json.loads((Path(told.__file__).parent / "diff.schema.json").read_text())
    data = json.loads(told.to_json(found))
    jsonschema.validate(data, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**data, "one": {}}, schema)
    assert len(data["files"]) == len(found.files) > 500
    markdown = told.to_markdown(found)
    assert markdown.startswith("## one → other\n")
    assert "### Packages" in markdown and "### Tools" in markdown and "### Environment" in markdown
    assert f"and {len(found.files) - told.MOST} more" in markdown
    assert "\\|\\<b\\>" in markdown
    assert f"files and directories: {found.one.files} → {found.other.files}" in told.to_text(found)


def test_sizes_are_those_of_both(tmp_path: Path) -> None:
    found = between(tmp_path, edit("etc/a", content=b"x" * 2_000_007))
    assert found.other.unpacked - found.one.unpacked == 2_000_000
    assert found.one.layers == 1 and found.one.size < found.other.size
    [changed] = found.files
    assert (changed.size_before, changed.size_after) == (7, 2_000_007)
    assert changed.properties[0] == Change("size", "7", "2000007")


SAVED = {"an oci-archive": export.oci, "a docker-archive of compressed layers": export.docker}


@pytest.mark.parametrize("case", [*SAVED, "docker save of old"])
def test_archives_are_images_too(case: str, tmp_path: Path) -> None:
    layout, out = write_layout(tmp_path, CONFIG, [TREE]), tmp_path / "saved.tar"
    if case in SAVED:
        SAVED[case](layout, out, ["x:1"])
    else:
        old_archive(out)
    done = CliRunner().invoke(
        main,
        ["--root", str(ROOT), "diff", str(layout), str(out), "--exit-code"],
        env={"IMAGEMILL_STATE": str(tmp_path)},
    )
    assert done.exit_code == 0, done.output
    assert "no difference" in done.stdout


def old_archive(out: Path) -> None:
    """What `docker save` wrote up to version 24."""
    layer = pack(TREE)
    diff_id = hashlib.sha256(layer).hexdigest()
    config = json.dumps({**CONFIG, "rootfs": {"type": "layers", "diff_ids": [f"sha256:{diff_id}"]}}).encode()
    rows = [{"Config": "c.json", "RepoTags": ["x:1"], "Layers": ["l/layer.tar"]}]
    with tarfile.open(out, "w") as tar:
        files = {"c.json": config, "l/layer.tar": layer, "manifest.json": json.dumps(rows).encode()}
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))


def test_the_exit_code_says_whether_they_differ(tmp_path: Path) -> None:
    between(tmp_path, CASES["a mode"][0])
    command = ["diff", str(tmp_path / "one" / "layout"), str(tmp_path / "other" / "layout"), "--format", "json"]
    env = {"IMAGEMILL_STATE": str(tmp_path)}
    plain = CliRunner().invoke(main, ["--root", str(ROOT), *command], env=env)
    assert plain.exit_code == 0 and json.loads(plain.stdout)["files"]
    assert CliRunner().invoke(main, ["--root", str(ROOT), *command, "--exit-code"], env=env).exit_code == 1


def test_a_layout_of_several_platforms_asks_which(tmp_path: Path) -> None:
    layout = write_layout(tmp_path, CONFIG, [TREE])
    with Layers(tmp_path / "scratch") as layers, pytest.raises(LayoutError, match="0 images for linux/arm64"):
        open_layout(layout, layers, platform="linux/arm64")


@pytest.mark.parametrize("content", [b"", b"no tar at all", pack({"a": Entry("file")})], ids=["empty", "text", "a tar"])
def test_what_is_no_image_is_said(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.tar").write_bytes(content)
    done = CliRunner().invoke(main, ["--root", str(ROOT), "diff", str(tmp_path / "x.tar"), str(tmp_path)])
    assert done.exit_code == LayoutError("").exit_code
    assert "x.tar" in done.stderr and "\n  " in done.stderr and not done.stdout


def test_what_is_nowhere_is_said() -> None:
    done = CliRunner().invoke(main, ["--root", str(ROOT), "diff", "pyhton3.13", "python3.13"], env={"PATH": ""})
    assert done.exit_code == SelectionError("").exit_code
    assert "no image is called 'pyhton3.13'" in done.stderr
