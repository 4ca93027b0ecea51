"""How upstream's sources are configured, compiled and installed: the scripts that run in the builder's root."""

from __future__ import annotations

from imagemill.manifest import Source
from imagemill.platforms import Platform

# upstream's defaults, apart from what installs tests, static libraries and copies of pip; what a version of configure
# does not know yet it names in a warning, so before 3.10 they are removed once more. Modules are not compiled: `make
# install` would do it three times over, and those of the image are compiled with its layer
_CPYTHON = """
cd /build/src
export CC={tools}gcc CXX={tools}g++ AR={tools}ar RANLIB={tools}ranlib READELF={tools}readelf
export PKG_CONFIG_LIBDIR=/usr/lib/{multiarch}/pkgconfig:/usr/share/pkgconfig
export CFLAGS='-g0 -ffile-prefix-map=/build/src=.'
export ac_cv_file__dev_ptmx=yes ac_cv_file__dev_ptc=no ac_cv_buggy_getaddrinfo=no
./configure --prefix=/var/lang --build={build} --host={host} {cross} --enable-ipv6 --disable-test-modules \\
    --without-ensurepip --without-static-libpython --with-openssl-rpath=no --with-dbmliborder=gdbm:bdb
sed -i 's,$(DESTDIR)$(LIBDEST)/compileall.py,-c 0,' Makefile
make
make install DESTDIR=/build/out
lang=/build/out/var/lang
find $lang/lib/python{version} '(' -name __pycache__ -o -name test -o -name tests ')' -prune -exec rm -r {{}} +
find $lang/lib '(' -name 'libpython*.a' -o -name '_*test*.so' -o -name 'xx*.so' ')' -delete
find $lang -name '*.so' -exec {tools}strip --strip-unneeded {{}} +
{tools}strip $lang/bin/python{version}
ln -s python3 $lang/bin/python
rm -rf $lang/share $lang/lib/python{version}/idlelib $lang/bin/idle*
"""

# the gems that come with Ruby lie unpacked in its tarball; where there is a Ruby already, which is so across, `make
# install` would look for their packages, and download those that it misses
_RUBY = """
cd /build/src
export CC={tools}gcc CXX={tools}g++ AR={tools}ar RANLIB={tools}ranlib NM={tools}nm STRIP={tools}strip
export PKG_CONFIG_LIBDIR=/usr/lib/{multiarch}/pkgconfig:/usr/share/pkgconfig
./configure --prefix=/var/lang --build={build} --host={host} {cross} --enable-shared --disable-install-doc \\
    --disable-install-static-library --without-gmp debugflags=-g0 optflags=-O2 \\
    cppflags=-ffile-prefix-map=/build/src=.
make
make -o prepare-gems install DESTDIR=/build/out
lang=/build/out/var/lang
rm -rf $lang/share $lang/lib/ruby/gems/*/cache $lang/lib/pkgconfig
find $lang -name 'mkmf.log' -delete -o -name gem_make.out -delete
find $lang -name '*.so*' -type f -exec {tools}strip --strip-unneeded {{}} +
{tools}strip $lang/bin/ruby
"""


def script(source: Source, platform: Platform, here: Platform, epoch: int) -> str:
    """The shell script that builds `source` for `platform` on a machine of the kind `here`."""
    across = platform != here
    python = f"/var/lang/bin/python{source.version}"
    cross = {"cpython": f"--with-build-python={python}", "ruby": "--with-baseruby=/var/lang/bin/ruby"}[source.recipe]
    text = {"cpython": _CPYTHON, "ruby": _RUBY}[source.recipe].format(
        tools=f"{platform.multiarch}-",
        multiarch=platform.multiarch,
        build=here.multiarch,
        host=platform.multiarch,
        cross=cross if across else "",
        version=source.version,
    )
    return f"# of {epoch}\n{text}"
