#!/usr/bin/env bash
# Installs what is missing on a Debian machine that has a Rust toolchain.
#
# usage: scripts/install.sh build   what compiling needs
#        scripts/install.sh demo    that, and what the demonstration tells people to type
#        scripts/install.sh test    that, and what the tests run against
#        scripts/install.sh test-all  that, and what only the long run has: Go, 450 MB, Chromium, 300 MB, schemathesis, 100 MB, packages
#        scripts/install.sh packages  what compiling needs, and what makes packages and tries them
#        scripts/install.sh bench   what compiling needs, and what the benchmark compares with
#        scripts/install.sh fuzz    what compiling needs, and cargo-fuzz
#
# Nothing that is present is touched. Packages come from Debian by name, as root or through sudo, and none
# of their services is started; Cargo's tools come from the registry. What could not be installed is said:
# a missing compiler ends the script, a missing test partner only costs the tests that need it, which say
# so themselves. Nothing waits for a password that nobody is there to type.
set -uo pipefail
cd "$(dirname "$0")/.."

# Servers (knotd) are not on the path of who is not root.
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

purpose=${1:-test}
is_long=no
[ "$purpose" = test-all ] && is_long=yes purpose=test
missing_packages=()
failed=0

say() { printf 'install: %s\n' "$*"; }

# need PROBE PACKAGE: notes the package unless the command (or the file, if PROBE is a path) is there.
need() {
  case $1 in
    /*) [ -e "$1" ] && return ;;
    *) command -v "$1" >/dev/null 2>&1 && return ;;
  esac
  missing_packages+=("$2")
}

as_root() {
  if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi
}

# Asks for the password once, and only where somebody can type it.
may_be_root() {
  [ "$(id -u)" -eq 0 ] && return
  command -v sudo >/dev/null 2>&1 || return
  sudo -n true 2>/dev/null && return
  [ -t 0 ] && sudo -v
}

# Some packages start a service once installed (knot would take port 53). The file tells Debian's
# maintainer scripts not to; one that an administrator put there is left alone.
install_packages() {
  local policy=/usr/sbin/policy-rc.d made_policy=no status
  if [ ! -e "$policy" ]; then
    made_policy=yes
    printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null && as_root chmod 755 "$policy"
  fi
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends "$@"
  status=$?
  [ "$made_policy" = yes ] && as_root rm -f "$policy"
  return $status
}

debian_packages() {
  [ ${#missing_packages[@]} -eq 0 ] && return
  if ! command -v apt-get >/dev/null 2>&1; then
    say "this is no Debian; please install what these packages hold: ${missing_packages[*]}"
    return
  fi
  if ! may_be_root; then
    say "neither root nor a sudo that lets us; please run as root:"
    say "  apt-get install --no-install-recommends ${missing_packages[*]}"
    return
  fi
  say "installing Debian packages: ${missing_packages[*]}"
  as_root apt-get update --quiet || say "the package lists could not be refreshed; trying with what is there"
  install_packages "${missing_packages[@]}" && return
  # One name that this release lacks must not cost the others.
  local package
  for package in "${missing_packages[@]}"; do
    install_packages "$package" || say "could not install the package $package"
  done
}

rust_component() {
  cargo "$1" --version >/dev/null 2>&1 && return
  if command -v rustup >/dev/null 2>&1 && rustup component add "$2"; then return; fi
  say "could not install the Rust component $2"
  failed=1
}

# cargo_tool NAME required|optional [further arguments for `cargo install`]
cargo_tool() {
  local name=$1 weight=$2
  shift 2
  cargo "${name#cargo-}" --version >/dev/null 2>&1 && return
  say "installing $name with cargo (this compiles it once, which takes minutes)"
  cargo install --locked "$name" "$@" && return
  say "could not install $name"
  [ "$weight" = required ] && failed=1
}

# A Python program in a place of its own: the system's Python is not ours to change.
python_tool() {
  local folder=${XDG_CACHE_HOME:-$HOME/.cache}/mesos-dns/$1
  [ -x "$folder/bin/$1" ] && return
  say "installing $1 into $folder"
  python3 -m venv "$folder" && "$folder/bin/pip" install --quiet --disable-pip-version-check "$1==$2" && return
  rm -rf "$folder"
  say "could not install $1"
}

# The checker of pages for what some people cannot use: one file of a package of npm, of which this is the sum.
axe_core() {
  local folder=${XDG_CACHE_HOME:-$HOME/.cache}/mesos-dns/axe-core archive
  [ -e "$folder/axe.min.js" ] && return
  say "fetching axe-core into $folder"
  archive=$(mktemp) && mkdir -p "$folder" &&
    curl --silent --show-error --fail --output "$archive" "https://registry.npmjs.org/axe-core/-/axe-core-$1.tgz" &&
    printf '%s  %s\n' "$2" "$archive" | sha256sum --check --quiet &&
    tar -xzf "$archive" -C "$folder" --strip-components=1 package/axe.min.js package/LICENSE ||
    say "could not fetch axe-core"
  rm -f "$archive"
}

required_command() {
  command -v "$1" >/dev/null 2>&1 && return
  say "missing: $1 ($2)"
  failed=1
}

if ! command -v cargo >/dev/null 2>&1; then
  say "there is no cargo; a Rust toolchain is the one thing this script expects (https://rustup.rs)"
  exit 1
fi

# To compile: OpenSSL (towards the masters) and jemalloc are built from source.
need cc build-essential
need make make
need perl perl
need pkg-config pkg-config

if [ "$purpose" = demo ] || [ "$purpose" = test ]; then
  need dig bind9-dnsutils
  need curl curl
fi

if [ "$purpose" = test ]; then
  need kdig knot-dnsutils
  need knotd knot
  need nsd nsd
  need unbound unbound
  need named bind9
  need dnsmasq dnsmasq-base
  need kresd knot-resolver
  need dnsperf dnsperf
  need java default-jre-headless
  need javac default-jdk-headless
  need /usr/share/java/zookeeper.jar zookeeper
  need openssl openssl
  need python3 python3
  need /usr/lib/python3/dist-packages/dns/resolver.py python3-dnspython
  need drill ldnsutils
  need promtool prometheus
  need musl-gcc musl-tools
  need node nodejs
  need ip iproute2
  need ps procps
  need unshare util-linux
  if [ "$is_long" = yes ]; then
    need go golang-go
    need chromium chromium
    need chromedriver chromium-driver
    python3 -c 'import ensurepip' >/dev/null 2>&1 || missing_packages+=(python3-venv)
  fi
fi

if [ "$purpose" = packages ] || [ "$is_long" = yes ]; then
  need ansible-lint ansible-lint
  need ansible-playbook ansible-core
  need mmdebstrap mmdebstrap
  need ip iproute2
  need lintian lintian
  need podman podman
  need crun crun
  need python3 python3
  need shellcheck shellcheck
  need systemd-analyze systemd
  need systemd-nspawn systemd-container
  need unshare util-linux
fi

if [ "$purpose" = bench ]; then
  need dnsperf dnsperf
  need dnsmasq dnsmasq-base
  need knotd knot
  need nsd nsd
  need openssl openssl
  need setpriv util-linux
  need unbound unbound
  need valgrind valgrind
fi

debian_packages

required_command cc "a C compiler, for OpenSSL and jemalloc"
required_command make "for OpenSSL and jemalloc"
required_command perl "for OpenSSL"
[ "$failed" -eq 0 ] || exit 1

if [ "$purpose" = test ]; then
  rust_component fmt rustfmt
  rust_component clippy clippy
  # All of it but the means to replace itself, which is half of the compiling.
  cargo_tool cargo-nextest required --no-default-features --features default-no-update
  cargo_tool cargo-deny optional
  [ "$is_long" = yes ] && python_tool schemathesis 4.32.5
  [ "$is_long" = yes ] && axe_core 4.14.1 e6b0ce02b84d892e2e33e403485e7f3d6c29e2be6df65daf44d89ba564139745
fi

if [ "$purpose" = packages ] || [ "$is_long" = yes ]; then
  cargo_tool cargo-deb optional
fi

if [ "$purpose" = fuzz ]; then
  cargo_tool cargo-fuzz required
fi

exit $failed
