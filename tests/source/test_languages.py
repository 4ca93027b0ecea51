"""Whole languages, compiled from upstream's source for both architectures: their images conform, and do what others do.

`make source` runs this, and nothing else does: it takes up to an hour for each language on two cores.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import checkout
import pytest

from copies import mill
from imagemill.dist import Dist
from imagemill.engine import containers
from imagemill.factory import Paths
from imagemill.mirrors import Mirrors
from imagemill.platforms import find, native
from imagemill.progress import Silent
from imagemill.workshop import Workshop, local_name

pytestmark = [pytest.mark.source, pytest.mark.engine, pytest.mark.network, pytest.mark.timeout(4 * 3600)]

# what is of no use without the libraries that configure looked for, and the SDK; each says one line
PYTHON = (
    "/var/lang/bin/python3",
    """
import bz2, ctypes, curses, dbm.gnu, decimal, hashlib, lzma, os, readline, sqlite3, ssl, sys, uuid, zlib, zoneinfo
data = b"imagemill" * 1000
assert all(code.decompress(code.compress(data)) == data for code in (bz2, lzma, zlib))
assert ctypes.CDLL(None).strlen(b"abc") == 3
assert hashlib.new("sha3_256", b"").hexdigest().startswith("a7ffc6f8")
assert sqlite3.connect(":memory:").execute("select 6 * 7").fetchone() == (42,)
assert decimal.Decimal(1) / 3 * 3 < 1 and "_decimal" in sys.modules
# bullseye's OpenSSL looks for them one by one
assert ssl.create_default_context().get_ca_certs() or len(os.listdir(ssl.get_default_verify_paths().capath)) > 100
assert zoneinfo.ZoneInfo("Europe/Berlin").key
sys.path.append("/var/runtime")  # the SDK is there before 3.11
import awslambdaric, boto3, botocore.session
assert all(module.__cached__.endswith(".pyc") and os.path.exists(module.__cached__)
           for module in (ssl, awslambdaric, boto3, botocore.session))
print("all", sys.version_info[:2], sys.prefix)
""",
)
PROGRAMS: Mapping[str, tuple[str, str]] = {
    "python3.9": PYTHON,
    "python3.13": PYTHON,
    "ruby3.3": (
        "/var/lang/bin/ruby",
        """
require 'bigdecimal'; require 'json'; require 'openssl'; require 'psych'; require 'zlib'; require 'socket'
require 'fiddle'; require 'digest/sha2'; require 'racc/cparse'; require 'rbs'; require 'aws-sdk-s3'
data = 'imagemill' * 1000
raise unless Zlib::Inflate.inflate(Zlib::Deflate.deflate(data)) == data
raise unless JSON.parse('{"a": [1]}') == Psych.load('a: [1]')
raise unless BigDecimal('0.1') + BigDecimal('0.2') == BigDecimal('0.3')
raise unless OpenSSL::Digest::SHA256.hexdigest(data) == Digest::SHA256.hexdigest(data)
raise unless OpenSSL::X509::Store.new.set_default_paths.nil?
strlen = Fiddle::Function.new(Fiddle::Handle::DEFAULT['strlen'], [Fiddle::TYPE_VOIDP], Fiddle::TYPE_INT)
raise unless strlen.call('abc') == 3
raise unless Aws::S3::Presigner.new(client: Aws::S3::Client.new(region: 'us-east-1', access_key_id: 'a',
  secret_access_key: 'b')).presigned_url(:get_object, bucket: 'b', key: 'k').include?('X-Amz-Signature')
puts "all #{RUBY_VERSION} #{RbConfig::CONFIG['arch']} #{RbConfig::CONFIG['prefix']}"
""",
    ),
}
EXPECTED = {
    "python3.9": "all (3, 9) /var/lang",
    "python3.13": "all (3, 13) /var/lang",
    "ruby3.3": "all 3.3.8 {machine}-linux /var/lang",
}


@pytest.fixture(scope="module", params=[pytest.param(proof, id=name) for name, proof in checkout.PROOFS.items()])
def proof(request: pytest.FixtureRequest) -> checkout.Proof:
    """A language that is compiled."""
    found: checkout.Proof = request.param
    return found


@pytest.fixture(scope="module")
def root(proof: checkout.Proof, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout with its images: for both architectures those that run, for this machine's the build image too."""
    root = checkout.make(tmp_path_factory.mktemp("checkout"), proof.runtime, proof.manifest, proof.base)
    mill(root, "lock", "--update", proof.base)
    mill(root, "build", proof.runtime, f"serve-{proof.runtime}", "--no-load")
    mill(root, "build", f"build-{proof.runtime}", "--no-load", "--platform", str(native()))
    return root


@pytest.fixture(scope="module")
def runner() -> containers.Runner:
    """Docker when its daemon answers, else podman."""
    found = containers.find(os.environ)
    assert found is not None, "nothing here runs images; run tests/engines.sh, which installs it"
    return found


@pytest.mark.parametrize("platform", ["linux/amd64", "linux/arm64"])
def test_its_libraries_and_its_sdk_work(
    proof: checkout.Proof, root: Path, runner: containers.Runner, platform: str
) -> None:
    place = find(platform)
    assert not runner.obstacle(place), runner.obstacle(place)
    workshop = Workshop(
        Paths(root, checkout.ROOT / ".imagemill"),
        Dist(root / "dist"),
        Mirrors.discover(os.environ),
        Silent(),
        os.environ,
    )
    workshop.load(runner, [workshop.dist.read()[f"{proof.runtime}-debian"]], place)
    program, script = PROGRAMS[proof.runtime]
    flag = "-e" if proof.runtime.startswith("ruby") else "-c"
    name = local_name(proof.runtime, place)
    done = runner.run(name, platform=place, entrypoint=program, args=[flag, script], network="none", timeout=300)
    assert done.code == 0, done.stderr.decode()
    assert done.stdout.decode().strip() == EXPECTED[proof.runtime].format(machine=place.machine)


@pytest.mark.parametrize("platform", ["linux/amd64", "linux/arm64"])
def test_its_images_conform(proof: checkout.Proof, root: Path, platform: str) -> None:
    """Judged as any other image: tools answer, and the example's function takes an event."""
    mill(root, "conform", proof.runtime, f"serve-{proof.runtime}", "--platform", platform)


def test_it_behaves_as_the_runtimes_of_its_language(proof: checkout.Proof, root: Path) -> None:
    """The table of behaviours and what is special to the language, a compiled extension among it, in that checkout."""
    shutil.copytree(checkout.ROOT / "tests" / "images", root / "tests" / "images")
    shutil.copy(checkout.ROOT / "pyproject.toml", root)
    family = proof.runtime.rstrip("0123456789.")
    files = [f"tests/images/test_{name}.py" for name in ("behaviours", family)]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *files],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root / "build")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
