#!/bin/bash
# The course of a package's life, on the Debian that test-deb.sh boots. Its last line is "all good" or what is not.
set -uo pipefail
export PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8

config=/etc/mesos-dns/config.json
unit=mesos-dns.service

fail() {
  echo "FAILED: $*"
  systemctl --no-pager --full status $unit
  journalctl --no-pager --unit $unit --lines 40
  exit 1
}

step() { echo "- $*"; }

# until_true WHAT COMMAND...: looks again until it holds, for half a minute.
until_true() {
  local what=$1 looks=0
  shift
  until "$@" >/dev/null 2>&1; do
    looks=$((looks + 1))
    [ $looks -lt 150 ] || fail "never: $what"
    sleep 0.2
  done
}

# A name, looked up as every program here does.
resolves() { getent hosts leader.mesos | grep -q '^127\.0\.0\.'; }
logged() { journalctl --no-pager --unit $unit | grep -q "$1"; }
pid() { systemctl show --property MainPID --value $unit; }

# write_config [MEMBERS]: a good file, with further members if any.
write_config() {
  cat >$config <<END
{"masters": [$masters], "listener": "127.0.0.1", "httplistener": "127.0.0.1", "externalon": false,
 "snapshotFile": "/var/lib/mesos-dns/cluster.json", "adminSocket": "/run/mesos-dns/admin"${1:+, $1}}
END
}

step "installed, it does not start what is not configured"
dpkg --install /test/old.deb || fail "dpkg --install"
systemctl --quiet is-active $unit && fail "it started without a cluster"
systemctl --quiet is-failed $unit && fail "it tried to start without a cluster"
[ "$(stat --format '%U:%G %a' $config)" = "root:mesos-dns 640" ] || fail "$config: $(stat --format '%U:%G %a' $config)"
mesos-dns check $config && fail "the file of the package names no cluster, and is good?"

step "configured and started, it serves, as nobody in particular"
mesos-dns demo --dns-port 5399 --http-port 8199 --churn 0 >/test/demo 2>&1 &
demo=$!
until_true "a simulated cluster" grep -q contentHash /test/demo
masters=$(sed -n 's/^ *"masters": \[\(.*\)\],$/\1/p' /test/demo)
write_config
runuser --user mesos-dns -- mesos-dns check $config >/dev/null || fail "the service's user cannot use the file"
systemctl enable --now $unit || fail "it does not start"
until_true "data" mesos-dns status -config=$config
resolves || fail "leader.mesos does not resolve"
status=/proc/$(pid)/status
[ "$(stat --format %U "/proc/$(pid)")" = mesos-dns ] || fail "it runs as $(stat --format %U "/proc/$(pid)")"
grep -qP '^CapEff:\t0000000000000400$' "$status" || fail "it may do more than bind: $(grep Cap "$status")"
grep -qP '^CapBnd:\t0000000000000400$' "$status" || fail "it may get more: $(grep Cap "$status")"
grep -qP '^Seccomp:\t2$' "$status" || fail "its system calls are not filtered"
[ "$(systemctl show --property WatchdogUSec --value $unit)" = 30s ] || fail "no watchdog"
until_true "a snapshot" test -s /var/lib/private/mesos-dns/cluster.json -o -s /var/lib/mesos-dns/cluster.json
systemd-analyze security --no-pager --threshold=20 $unit >/test/security || fail "its exposure is above 2.0"
tail -n 1 /test/security

step "a reload takes a good file over and leaves a broken one"
write_config '"ttl": 17'
systemctl reload $unit || fail "reload"
until_true "the reload" logged 'configuration reloaded'
before=$(pid)
echo '{' >$config
systemctl reload $unit
until_true "the failed reload" logged 'reload failed'
systemctl --quiet is-active $unit || fail "a broken file ended it"
resolves || fail "a broken file ended its answers"

step "an upgrade with a broken file leaves the old one running"
dpkg --install /test/new.deb || fail "dpkg --install"
[ "$(pid)" = "$before" ] || fail "it was restarted onto a broken file"
resolves || fail "the upgrade ended its answers"

step "with a good one the new program runs, and the file is the administrator's"
write_config '"ttl": 18'
sum=$(sha256sum $config)
dpkg --install /test/old.deb >/dev/null 2>&1 || fail "dpkg --install of the older one"
dpkg --install /test/new.deb || fail "dpkg --install"
[ "$(pid)" != "$before" ] || fail "it was not restarted"
[ "$(sha256sum $config)" = "$sum" ] || fail "the upgrade changed the configuration"
[ "$(stat --format '%U:%G %a' $config)" = "root:mesos-dns 640" ] || fail "the upgrade changed who may read it"
resolves || fail "after the upgrade, it does not answer from what it kept"
until_true "data after the upgrade" mesos-dns status -config=$config

step "with the socket units, what is asked while nobody runs is answered"
systemctl stop $unit
sed -i 's/^ListenDatagram=.*/ListenDatagram=127.0.0.1:53/; s/^ListenStream=53/ListenStream=127.0.0.1:53/' \
  /usr/lib/systemd/system/mesos-dns.socket
sed -i 's/^ListenStream=8123/ListenStream=127.0.0.1:8123/' /usr/lib/systemd/system/mesos-dns-http.socket
systemctl daemon-reload
systemctl start mesos-dns.socket mesos-dns-http.socket || fail "the socket units do not start"
systemctl --quiet is-active $unit && fail "it runs already"
until_true "an answer to who asked first" resolves
systemctl --quiet is-active $unit || fail "who answered?"
until_true "data through sockets" mesos-dns status -config=$config
for _ in 1 2 3; do
  systemctl restart $unit &
  for _ in 1 2 3 4 5; do resolves || fail "a question was lost in a restart"; done
  wait $! || fail "restart"
done
mesos-dns status http://127.0.0.1:8123 >/dev/null || fail "HTTP through a socket of systemd's"
systemctl stop mesos-dns.socket mesos-dns-http.socket $unit
systemctl start $unit

step "removed, it is gone, and its file is there; purged, nothing is"
dpkg --remove mesos-dns || fail "dpkg --remove"
systemctl --quiet is-active $unit && fail "it still runs"
[ -e $config ] || fail "removing took the configuration"
dpkg --purge mesos-dns || fail "dpkg --purge"
left=$(find /etc /usr /var/lib /run -name '*mesos-dns*' -not -path '/var/lib/dpkg/*' -not -path '/run/systemd/*')
[ -z "$left" ] || fail "purging left $left"

step "the Ansible role installs, configures and starts it, changes nothing the second time, and refuses a bad file"
cat >/test/variables.json <<END
{"mesos_dns_deb": "/test/new.deb", "mesos_dns_config": {"masters": [$masters], "listener": "127.0.0.1",
 "httplistener": "127.0.0.1", "externalon": false, "adminSocket": "/run/mesos-dns/admin"}}
END
role() {
  (cd /test/ansible && ansible-playbook --inventory /test/hosts site.yml --extra-vars @/test/variables.json) \
    >/test/play 2>&1
}
printf '[mesos_dns]\nlocalhost ansible_connection=local\n' >/test/hosts
role || { cat /test/play && fail "the role"; }
resolves || fail "after the role, leader.mesos does not resolve"
role || { cat /test/play && fail "the role, again"; }
grep -q 'changed=0 ' /test/play || { cat /test/play && fail "the role changed something again"; }
sed -i 's/"externalon": false/"ttl": "much"/' /test/variables.json
role && fail "the role wrote a bad file"
resolves || fail "a bad file ended the answers"
dpkg --purge mesos-dns >/dev/null || fail "dpkg --purge after the role"
kill $demo
echo "all good"
