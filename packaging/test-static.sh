#!/usr/bin/env bash
# Shows that the static program finds host names where there is nothing but itself: no C library, no plug-in, and even
# a plug-in that would crash it.
#
# usage: packaging/test-static.sh PROGRAM
#
# In a network namespace of its own a demonstration answers on port 53; in a root with only the program in it, the
# program is asked for a server by names that only the hosts file has, and only DNS. Skipped where namespaces are refused.
set -euo pipefail
cd "$(dirname "$0")/.."

program=$(realpath "${1:?usage: packaging/test-static.sh PROGRAM}")

if [ -z "${INSIDE:-}" ]; then
  if ! INSIDE=yes unshare --net --mount --fork --pid --kill-child true 2>/dev/null; then
    echo "skipped: names in a static program: no namespaces here"
    exit 0
  fi
  INSIDE=yes exec unshare --net --mount --fork --pid --kill-child "$0" "$program"
fi

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
ip link set lo up
"$program" demo --dns-port 53 --http-port 8123 --churn 0 >"$root/demo" 2>&1 &
demo=$!
for _ in $(seq 150); do
  grep -q contentHash "$root/demo" && break
  sleep 0.2
done
grep -q contentHash "$root/demo" || { cat "$root/demo" && exit 1; }

mkdir -p "$root/etc" "$root/lib/x86_64-linux-gnu"
cp "$program" "$root/mesos-dns"
echo "nameserver 127.0.0.1" >"$root/etc/resolv.conf"
echo "127.0.0.1 only-in-the-file.mesos" >"$root/etc/hosts"

ask() { chroot "$root" /mesos-dns status "http://$1:8123" >/dev/null; }

for switch in "" "hosts: resolve [!UNAVAIL=return] mymachines files dns myhostname"; do
  rm -f "$root/etc/nsswitch.conf"
  [ -z "$switch" ] || echo "$switch" >"$root/etc/nsswitch.conf"
  # A plug-in, and the C library it would bring: not for us.
  for library in libnss_resolve.so.2 libnss_mymachines.so.2 libc.so.6; do
    [ -z "$switch" ] || echo "no library" >"$root/lib/x86_64-linux-gnu/$library"
  done
  ask leader.mesos || { echo "no name from DNS (${switch:-no nsswitch.conf})" && exit 1; }
  ask only-in-the-file.mesos || { echo "no name from the hosts file (${switch:-no nsswitch.conf})" && exit 1; }
  ! ask not-there.mesos 2>/dev/null || { echo "a name that is not there was found" && exit 1; }
done
kill $demo
echo "names resolve in a root without libraries"
