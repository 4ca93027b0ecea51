"""Recording a real environment: the functions, what they answer, and holding images against it."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest
from click.testing import CliRunner
from conform_images import FakeRunner, answer, good_config, good_record, good_tree, subject, write_layout
from msgspec import structs

from imagemill import recorder
from imagemill.cli import main
from imagemill.conform import Layers, judge
from imagemill.conform.against import NAME, differences
from imagemill.errors import RecordError
from imagemill.recorder import Real, Record


def good() -> Record:
    return recorder.parse(answer(good_record(subject().image)), "a test")


def test_the_probe_writes_down_a_process_of_this_machine() -> None:
    script = recorder.folder() / "probe.sh"
    env = {"PATH": os.environ["PATH"], "NAME": "two\nlines and = signs", "LANG": "C.UTF-8"}
    said = subprocess.run(
        ["sh", str(script), str(os.getpid())], env=env, capture_output=True, check=True, cwd="/", umask=0o027
    )
    found = recorder.parse(said.stdout.decode(), "the probe")
    assert (found.uid, found.gid) == (os.getuid(), os.getgid())
    assert found.environment["NAME"] == "two\nlines and = signs"
    assert found.argv[0] == sys.orig_argv[0]
    assert found.cwd == str(Path.cwd().resolve())  # the process that is asked about, not the probe
    assert found.umask == "0027" and found.charmap == "UTF-8"
    assert {"0", "1", "2"} <= found.descriptors.keys()
    assert {"sh", "env"} <= set(found.commands) and list(found.commands) == sorted(found.commands)
    assert found.limits["open files"].split()[0].isdigit() or found.limits["open files"].startswith("unlimited")
    assert not list(Path("/tmp").glob(".imagemill-record"))


@pytest.mark.parametrize("family", recorder.FUNCTIONS)
def test_a_function_is_a_zip_of_the_same_bytes(family: str) -> None:
    packed = recorder.function(family)
    assert packed == recorder.function(family)
    with zipfile.ZipFile(BytesIO(packed)) as archive:
        files, handler = recorder.FUNCTIONS[family]
        assert set(archive.namelist()) == {*files.values(), "probe.sh"}
        assert {info.external_attr >> 16 for info in archive.infolist()} == {0o100755}
        assert handler == "any" or any(name.startswith(handler.partition(".")[0]) for name in archive.namelist())


def test_a_facts_file_says_what_the_record_does_but_no_credentials(tmp_path: Path) -> None:
    record = replace(good(), environment={"AWS_SECRET_ACCESS_KEY": "s3cret", "AWS_SESSION_TOKEN": "", "A": "b"})
    file = tmp_path / "facts.json"
    file.write_text(recorder.dump(record))
    assert "s3cret" not in file.read_text()
    told = {"AWS_SECRET_ACCESS_KEY": "(left out)", "AWS_SESSION_TOKEN": "", "A": "b"}
    assert recorder.load(file) == Real(str(file), replace(record, environment=told))


BROKEN = {
    "nothing": "",
    "no JSON": "Task timed out",
    "another answer": '{"errorMessage": "no"}',
    "a record of another format": '{"record": 2, "sections": ""}',
    "no base64": '{"record": 1, "sections": "%"}',
    "no sections": '{"record": 1, "sections": ""}',
    "a list": "[]",
    "cut off": answer(good_record(subject().image))[:200],
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_is_no_answer_of_a_recorder_is_refused(case: str, tmp_path: Path) -> None:
    file = tmp_path / "answer.json"
    file.write_text(BROKEN[case])
    result = CliRunner().invoke(main, ["record", "facts", str(file)])
    assert result.exit_code == RecordError.exit_code
    assert f"{file} is not what a recorder answers" in result.stderr and not result.stdout


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"format": "imagemill-record/2"}', '{"format": "imagemill-record/1"}']
)
def test_what_is_no_facts_file_is_refused(text: str, tmp_path: Path) -> None:
    file = tmp_path / "facts.json"
    file.write_text(text)
    with pytest.raises(RecordError, match="is no facts file"):
        recorder.load(file)


DIFFERENCES: dict[str, tuple[Callable[[Record], Record], tuple[str, str, str] | None]] = {
    "nothing": (lambda r: r, None),
    "a variable more": (lambda r: variable(r, "NEW", "1"), ("NEW", "not set", "1")),
    "a variable less": (lambda r: variable(r, "LANG", None), ("LANG", "en_US.UTF-8", "not set")),
    "another value": (lambda r: variable(r, "LANG", "C"), ("LANG", "en_US.UTF-8", "C")),
    "another function's name": (lambda r: variable(r, "AWS_LAMBDA_FUNCTION_NAME", "other"), None),
    "another host's name": (lambda r: variable(r, "HOSTNAME", "other"), None),
    "a credential less": (lambda r: variable(r, "AWS_ACCESS_KEY_ID", None), ("AWS_ACCESS_KEY_ID", "set", "not set")),
    "another user": (lambda r: replace(r, uid=1), ("user", "993:990", "1:990")),
    "more groups": (lambda r: replace(r, groups=(4, 990)), ("groups", "none", "4")),
    "its own group listed or not": (lambda r: replace(r, groups=()), None),
    "another directory": (lambda r: replace(r, cwd="/"), ("directory", "/var/task", "/")),
    "another umask": (lambda r: replace(r, umask="0077"), ("umask", "22", "77")),
    "a umask of another shell": (lambda r: replace(r, umask="022"), None),
    "more to write to": (lambda r: replace(r, writable=("/tmp", "/run")), ("writable", "/tmp", "/tmp /run")),
    "another processor": (lambda r: replace(r, machine="Linux aarch64"), ("machine", "Linux x86_64", "Linux aarch64")),
    "another system": (lambda r: replace(r, release="amzn"), ("system", "debian", "amzn")),
    "another time": (lambda r: replace(r, zone="CET+0100"), ("time zone", "UTC+0000", "CET+0100")),
    "another charset": (lambda r: replace(r, charmap="ISO-8859-1"), ("characters", "UTF-8", "ISO-8859-1")),
    "another limit": (
        lambda r: replace(r, limits={"processes": "1 2"}),
        ("limit of processes", "1024 4096", "1 2"),
    ),
    "a command less": (lambda r: replace(r, commands=("sh",)), ("commands", "bash", "not there")),
    "a command more": (lambda r: replace(r, commands=("bash", "sh", "vi")), None),
}


def variable(record: Record, name: str, value: str | None) -> Record:
    seen = {**record.environment, name: value or ""}
    if value is None:
        del seen[name]
    return replace(record, environment=seen)


@pytest.mark.parametrize("case", DIFFERENCES)
def test_differences_from_a_record(case: str) -> None:
    change, expected = DIFFERENCES[case]
    assert list(differences(good(), change(good()))) == ([expected] if expected else [])


def test_an_image_is_held_against_a_record(tmp_path: Path) -> None:
    def status(real: Record) -> list[str]:
        about = structs.replace(subject(), against=Real("facts.json", real))
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        folder.mkdir()
        layout = write_layout(
            folder, good_config(about.image, about.platform), [good_tree(about.image, about.platform)]
        )
        with Layers(folder / "scratch") as layers:
            found = judge(layout, about, layers=layers, runner=FakeRunner(about))
        assert {f.source for f in found if f.check == NAME} == {"the record facts.json"}
        return [f"{f.status} {f.found}" for f in found if f.check == NAME]

    assert status(good()) == ["pass the same"]
    assert status(replace(good(), uid=1)) == ["fail user: 993:990"]
