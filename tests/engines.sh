#!/bin/sh
# Installs what the image tests need (what runs images, a browser, and a database), after saying what and why. `make test` calls it first.
#
#   tests/engines.sh                     looks, says what is missing, installs it (as root, or with sudo)
#   tests/engines.sh --install NAME...   the part that needs root: packages, `binfmt`, `tun`
#
# It ends with 0 even when something could not be had: it then counts what is missing, says how to install
# it by hand, and the tests that need it are skipped with their reason. With everything there it is quick.
set -u

say() { printf 'engines: %s\n' "$*" >&2; }
have() { command -v "$1" >/dev/null 2>&1 || [ -x "/usr/sbin/$1" ]; }

case $(uname -m) in
    x86_64) foreign=aarch64 elf=b700 ;;
    aarch64 | arm64) foreign=x86_64 elf=3e00 ;;
    *) foreign='' elf='' ;;
esac
binfmt=/proc/sys/fs/binfmt_misc

# Containers have no emulator of their own, so only a registration with F (the kernel holds the emulator
# open) counts. ELF files name their architecture in bytes 18 and 19 of the magic.
emulates_foreign() {
    [ -z "$foreign" ] && return 0
    for entry in $(grep -ls "^magic .\{36\}$elf" "$binfmt"/* 2>/dev/null); do
        grep -q '^enabled' "$entry" && grep -q '^flags:.*F' "$entry" && return 0
    done
    return 1
}

# --- the part that needs root ---------------------------------------------------------------------------

# The line that systemd-binfmt registers where systemd runs. Only one with F serves: Debian 12's
# qemu-user-binfmt has none, its emulator is not static.
qemu_line() {
    cat "/usr/lib/binfmt.d/qemu-$foreign.conf" "/usr/lib/binfmt.d/qemu-$foreign-static.conf" 2>/dev/null |
        grep -m 1 ':[A-Z]*F[A-Z]*$'
}

register_foreign() {
    emulates_foreign && return 0
    [ -e "$binfmt/register" ] || mount -t binfmt_misc binfmt_misc "$binfmt" || return 1
    emulates_foreign && return 0
    # A name of our own: one registered without F may have the usual one, and the last registered wins.
    qemu_line | sed 's/^:[^:]*:/:imagemill-'"$foreign"':/' >"$binfmt/register" && emulates_foreign
}

install_packages() {
    # Packaged daemons start themselves, and Docker's rewrites the firewall; the tests start their own on a
    # private socket. https://people.debian.org/~hmh/invokerc.d-policyrc.d-specification.txt
    policy=/usr/sbin/policy-rc.d
    if [ ! -e "$policy" ]; then
        printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod 755 "$policy"
        trap 'rm -f "$policy"' EXIT
        trap 'exit 130' INT TERM
    fi
    export DEBIAN_FRONTEND=noninteractive
    # --no-remove: what is installed by hand (docker-ce, say) stays.
    apt-get install -qq -y --no-install-recommends --no-remove "$@" >/dev/null || return 1
    case " $* " in
        *' docker.io '*) # nor at the next start of the machine
            ! have systemctl || systemctl disable docker.service docker.socket containerd.service >/dev/null 2>&1
            ;;
    esac
    return 0
}

if [ "${1:-}" = --install ]; then
    shift
    packages='' steps='' failed=0
    for name in "$@"; do
        case $name in
            binfmt | tun) steps="$steps $name" ;;
            *) packages="$packages $name" ;;
        esac
    done
    # shellcheck disable=SC2086 # a list of package names
    [ -z "$packages" ] || install_packages $packages || failed=1
    for step in $steps; do
        case $step in
            binfmt) register_foreign || failed=1 ;;
            tun) chmod 0666 /dev/net/tun || failed=1 ;; # what udev sets where it runs
        esac
    done
    exit $failed
fi

# --- what is there, what is missing, and why it is wanted ---------------------------------------------

wanted='' # packages, `binfmt`, `tun`
missing() { say "$2"; wanted="$wanted $1"; }

look() {
    wanted=''
    if have docker && docker version --format '{{.Server.Version}}' >/dev/null 2>&1; then
        daemon=true
    else
        daemon=false
        have podman || missing podman 'podman: nothing here runs images yet; tests run what was built'
        have dockerd || missing docker.io 'docker.io: tests build with BuildKit too, in a daemon of their own (not started now)'
    fi
    if ! $daemon && [ "$(id -u)" != 0 ] && [ -e /dev/net/tun ] && ! [ -w /dev/net/tun ]; then
        missing tun '/dev/net/tun: podman without root needs to open it for the network of a container'
    fi
    have podman && { have runc || have crun || missing runc 'runc: podman needs an OCI runtime'; }
    have buildah || missing buildah 'buildah: tests compare its images with the embedded engine'"'"'s'
    have chromium || have chromium-browser || have google-chrome ||
        missing chromium 'chromium: tests open the report of conformance in a browser'
    have initdb || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 ||
        missing postgresql 'postgresql: tests sign for a notary, which keeps its metadata there (a cluster of their own)'
    if [ "$(uname -s)" = Linux ] && ! emulates_foreign; then
        [ -n "$(qemu_line)" ] ||
            missing qemu-user-static "qemu-user-static: runs $foreign images on this $(uname -m) machine"
        missing binfmt "binfmt_misc: the kernel is told to run $foreign programs with qemu"
    fi
}

# What the packages only recommend, but a network, a rootless run or a client needs; each where it exists.
with_companions() {
    for name in "$@"; do
        # Ubuntu has its browser in a snap: what cannot be had must not keep the rest from being installed.
        [ "$name" != chromium ] || apt-cache show chromium 2>/dev/null | grep -q '^Filename' || continue
        echo "$name"
        companions=''
        case $name in
            chromium) companions='fonts-dejavu-core' ;;
            podman)
                companions='runc iptables nftables' # one for each generation of podman's networks
                [ "$(id -u)" = 0 ] || companions="$companions uidmap slirp4netns passt fuse-overlayfs"
                ;;
            docker.io) have docker || companions='docker-cli docker-buildx' ;;
        esac
        for companion in $companions; do
            apt-cache show "$companion" 2>/dev/null | grep -q '^Filename' && echo "$companion"
        done
    done
}

by_hand() {
    say 'to install by hand:'
    say '  Debian, Ubuntu:  sudo apt-get install podman runc nftables uidmap slirp4netns buildah docker.io qemu-user-static chromium postgresql'
    say '  Fedora, RHEL:    sudo dnf install podman buildah moby-engine qemu-user-static chromium postgresql-server'
    say '  Arch:            sudo pacman -S podman buildah docker qemu-user-static qemu-user-static-binfmt chromium postgresql'
    say '  macOS:           brew install --cask chromium && brew install podman postgresql && podman machine init && podman machine start   (or Docker Desktop)'
    say 'and where binfmt or tun is missing:'
    say "  sudo sh '$0' --install binfmt tun"
}

look 2>/dev/null
[ -z "$wanted" ] && exit 0
look

if [ "$(id -u)" = 0 ]; then
    root=''
elif have sudo && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then
    root=sudo
else
    root=none
fi

if ! have apt-get; then
    say 'this is not Debian or Ubuntu, so nothing is installed here'
elif [ "$root" = none ]; then
    say 'neither root nor sudo without a password, so nothing is installed here'
else
    case $wanted in
        ' binfmt' | ' tun' | ' tun binfmt') ;; # no packages
        *) $root apt-get update -qq ;;
    esac
    # shellcheck disable=SC2086 # a list of package names
    packages=$(with_companions $wanted | tr '\n' ' ')
    say "installing (apt-get; binfmt and tun are kernel settings): $packages"
    # shellcheck disable=SC2086
    $root sh "$0" --install $packages || say 'the installation failed, see above'
fi

look 2>/dev/null
if [ -n "$wanted" ]; then
    # shellcheck disable=SC2086
    set -- $wanted
    say "$# STILL MISSING:$wanted; the tests that need them will be SKIPPED"
    by_hand
fi
exit 0
