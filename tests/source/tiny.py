"""A source that is configured, compiled and installed as Ruby's is, in a second: what the recipe asks, and no more."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

FILES = {
    # refuses what would not be a build for the host: headers, libraries and pkg-config's files are those of its machine
    "configure": """#!/bin/sh
set -eu
baseruby=
for word; do
  case $word in
    --prefix=*) prefix=${word#*=};;
    --build=*) build=${word#*=};;
    --host=*) host=${word#*=};;
    --with-baseruby=*) baseruby=${word#*=};;
  esac
done
echo "configuring for $host on $build"
test "$(id -u)" = 0
test "$(ls /sys /home 2>/dev/null | wc -l)" = 0
[ "$build" = "$host" ] || $baseruby --version | grep -q "^tiny .* for $build"
libraries=$(pkg-config --libs zlib)
sed -e "s,@CC@,$CC," -e "s,@PREFIX@,$prefix," -e "s,@HOST@,$host," -e "s,@LIBRARIES@,$libraries," Makefile.in > Makefile
""",
    "Makefile.in": """CC = @CC@
lang = $(DESTDIR)@PREFIX@
all: ruby libtiny.so
libtiny.so: tiny.c
\t$(CC) -g -shared -fPIC -DHOST='"@HOST@"' $< -o $@ @LIBRARIES@
ruby: main.c libtiny.so
\t$(CC) -g -Wl,-rpath,@PREFIX@/lib $< -o $@ -L. -ltiny
install:
\tmkdir -p $(lang)/bin $(lang)/lib/pkgconfig $(lang)/share/man
\tinstall -m 755 ruby $(lang)/bin/ruby
\tinstall -m 644 libtiny.so $(lang)/lib/libtiny.so.1
\tln -s libtiny.so.1 $(lang)/lib/libtiny.so
\tdate > $(lang)/share/man/when
\ttouch $(lang)/lib/pkgconfig/tiny.pc
.PHONY: all install
""",
    "tiny.c": """#include <stdio.h>
#include <zlib.h>
void tell(void) { printf("tiny of %s for %s with zlib %s, from %s\\n", __DATE__, HOST, zlibVersion(), __FILE__); }
""",
    "main.c": "void tell(void);\nint main(void) { tell(); return 0; }\n",
}


def write(path: Path, epoch: int) -> None:
    """Write the tarball, made at `epoch`."""
    with tarfile.open(path, "w:xz") as tar:
        for name, text in FILES.items():
            info = tarfile.TarInfo(f"tiny-1.0/{name}")
            info.mtime, info.size, info.mode = epoch, len(text.encode()), 0o755 if name == "configure" else 0o644
            tar.addfile(info, io.BytesIO(text.encode()))
