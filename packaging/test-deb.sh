#!/usr/bin/env bash
# Installs, starts, reloads, upgrades, removes and purges the package on a small Debian that is booted for it, with
# systemd as its first process and a network of its own.
#
# usage: packaging/test-deb.sh OLD.deb NEW.deb
#
# Needs root, mmdebstrap and systemd-nspawn; where one is missing or refused, it says so and counts as skipped.
# The Debian is kept in target/test-root for the next time; each run works on a copy.
set -euo pipefail
cd "$(dirname "$0")/.."

old=${1:?usage: packaging/test-deb.sh OLD.deb NEW.deb} new=${2:?usage: packaging/test-deb.sh OLD.deb NEW.deb}

skip() {
  echo "skipped: the package in a booted Debian: $*"
  exit 0
}

[ "$(id -u)" -eq 0 ] || skip "only root can boot one"
command -v mmdebstrap >/dev/null || skip "mmdebstrap is not installed"
command -v systemd-nspawn >/dev/null || skip "systemd-nspawn is not installed (apt-get install systemd-container)"

base=target/test-root
if [ ! -e "$base/complete" ]; then
  rm -rf "$base"
  mkdir -p "$base"
  # Ansible is for the role, which is tried there as well.
  mmdebstrap --variant=minbase --include=systemd,dbus,ansible-core,python3-apt bookworm "$base/tree" >"$base/log" 2>&1 ||
    skip "mmdebstrap failed: $(tail -n 1 "$base/log")"
  touch "$base/complete"
fi

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
cp -a "$base/tree/." "$root"
mkdir "$root/test"
cp packaging/test-deb-inside.sh "$root/test/inside.sh"
cp -r contrib/ansible "$root/test/ansible"
cp "$old" "$root/test/old.deb"
cp "$new" "$root/test/new.deb"
# The real resolver of this Debian asks the program for every name.
echo "nameserver 127.0.0.1" >"$root/etc/resolv.conf"
cat >"$root/etc/systemd/system/test.service" <<'END'
[Unit]
SuccessAction=poweroff
FailureAction=poweroff

[Service]
Type=oneshot
ExecStart=/bin/bash /test/inside.sh
StandardOutput=file:/test/log
StandardError=inherit
TimeoutStartSec=240
END
mkdir -p "$root/etc/systemd/system/multi-user.target.wants"
ln -s ../test.service "$root/etc/systemd/system/multi-user.target.wants/test.service"

# It is no service of this machine's manager, which need not be systemd.
timeout --kill-after=10 300 systemd-nspawn --quiet --directory="$root" --register=no --keep-unit \
  --private-network --resolv-conf=off --boot </dev/null >"$root/test/console" 2>&1 || true
if [ ! -s "$root/test/log" ]; then
  skip "it did not boot: $(tail -n 1 "$root/test/console")"
fi
cat "$root/test/log"
grep -qx "all good" "$root/test/log"
