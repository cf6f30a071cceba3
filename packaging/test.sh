#!/usr/bin/env bash
# Runs what packaging/build.sh made: the static program, the .deb in a Debian, the container, the Ansible role.
#
# usage: packaging/test.sh
#
# Everything is tried, whatever failed before; what cannot be tried here says "skipped" and why.
set -uo pipefail
cd "$(dirname "$0")/.." || exit

failed=()
try() {
  echo "== $1"
  "${@:2}" || failed+=("$1")
}

old=$(find target/packages -name '*.deb' | head -n 1)

# What a mirror of Debian's would say; pages of the manual are made with docs/man.
lint() {
  if ! command -v lintian >/dev/null; then
    echo "skipped: the .deb by Debian's policy: lintian is not installed"
    return
  fi
  lintian --allow-root --fail-on error,warning --suppress-tags no-manual-page,initial-upload-closes-no-bugs "$old"
}

# The same program once more is the newer version of an upgrade.
in_a_debian() {
  local newer
  newer=$(mktemp -d)
  cp "$old" "$newer/old.deb" && PACKAGE_REVISION=2 FAST=yes packaging/deb.sh "$newer" &&
    packaging/test-deb.sh "$newer/old.deb" "$newer"/mesos-dns_*.deb
  local status=$?
  rm -rf "$newer"
  return $status
}

try "unit files, scripts, JSON" packaging/check.sh --all
try "the static program" packaging/test-static.sh target/stage/mesos-dns
if [ -n "$old" ]; then
  try "the .deb by Debian's policy" lint
  try "the .deb in a Debian" in_a_debian
fi
try "the container" packaging/test-container.sh target/stage/mesos-dns

[ ${#failed[@]} -eq 0 ] || { printf 'failed: %s\n' "${failed[@]}" && exit 1; }
