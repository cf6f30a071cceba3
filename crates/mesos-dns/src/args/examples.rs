//! What to try, at the end of each command's help.

/// Of the whole program.
pub(super) const ALL: &str = "\
Examples:
  mesos-dns demo                                   a cluster to play with, nothing to configure
  mesos-dns query leader.mesos @127.0.0.1:8053     ask it
  mesos-dns check config.json                      is my configuration good, and what is in force?
  mesos-dns doctor -config config.json             what keeps this machine from serving?
  mesos-dns -config=/etc/mesos-dns/config.json     serve, as with the original Mesos-DNS
  mesos-dns -config config.json -v=1               the same, with the life story on stderr
  mesos-dns status http://127.0.0.1:8123           how a running server stands
  mesos-dns watch http://127.0.0.1:8123            what changes there, as it happens
  mesos-dns explain web.marathon.mesos             why has this name these addresses?
  mesos-dns dump http://127.0.0.1:8123             all records of a server, as a zone file
  mesos-dns release -config config.json            what it holds in doubt is gone for good: drop it

The least a configuration file needs is where the cluster is:
  {\"zk\": \"zk://10.0.0.1:2181,10.0.0.2:2181/mesos\"}   or   {\"masters\": [\"10.0.0.1:5050\"]}

Exit status: 0 done, 1 failed (doctor: something has to be mended; dump --diff: the two differ), 2 wrong command
line, 3 bad configuration (check only), 4 the server has no data yet (status only).

Colours are for terminals only; NO_COLOR=1 turns them off.";

/// Of `demo`.
pub(super) const DEMO: &str = "\
Examples:
  mesos-dns demo
  mesos-dns demo --tasks 100000 --churn 200
  mesos-dns demo --seed 7 --dns-port 5353 --http-port 8080";

/// Of `check`.
pub(super) const CHECK: &str = "\
Examples:
  mesos-dns check /etc/mesos-dns/config.json
  mesos-dns check config.json --output json | jq '.settings[] | select(.origin != \"default\")'

Exit status: 0 a server could start with it, 3 it could not.";

/// Of `doctor`.
pub(super) const DOCTOR: &str = "\
Examples:
  mesos-dns doctor -config /etc/mesos-dns/config.json
  mesos-dns doctor --output json

Changes nothing and needs no privilege, but as root it sees who holds a port. Exit status: 0 nothing has to be
mended (there may be warnings), 1 something has.";

/// Of `status`.
pub(super) const STATUS: &str = "\
Examples:
  mesos-dns status -config /etc/mesos-dns/config.json
  mesos-dns status http://127.0.0.1:8123
  mesos-dns status http://127.0.0.1:8123 --settings
  mesos-dns status http://127.0.0.1:8123 --output json

Exit status: 0 it has data to answer from, 1 it cannot be asked, 4 it has no data yet.";

/// Of `query`.
pub(super) const QUERY: &str = "\
Examples:
  mesos-dns query web.marathon.mesos
  mesos-dns query _web._tcp.marathon.mesos SRV @127.0.0.1:8053
  mesos-dns query 10.0.0.7 @10.0.0.2
  mesos-dns query leader.mesos --output json | jq -r '.answers[].data'

Exit status: 0 there is an answer, also that the name or type is not there; 1 there is none, or an error as the
answer.";

/// Of `explain`.
pub(super) const EXPLAIN: &str = "\
Examples:
  mesos-dns explain web.marathon.mesos
  mesos-dns explain _web._tcp.marathon.mesos SRV --client 10.0.0.7
  mesos-dns explain web.marathon.mesos --from state.json -config config.json";

/// Of `watch`.
pub(super) const WATCH: &str = "\
Examples:
  mesos-dns watch http://127.0.0.1:8123
  mesos-dns watch --below marathon.mesos --type A
  mesos-dns watch --output json | jq -c 'select(.change == \"added\")'

A lost connection is made again, and nothing is missed meanwhile; where that cannot be promised, a line says so.
Ctrl-C ends it, and tells with which --since to go on.";

/// Of `dump`.
pub(super) const DUMP: &str = "\
Examples:
  mesos-dns dump http://127.0.0.1:8123 >mesos.zone
  mesos-dns dump http://10.0.0.1:5050 -config config.json
  mesos-dns dump --diff http://10.0.0.2:8123 http://10.0.0.3:8123
  mesos-dns dump --diff yesterday.json http://127.0.0.1:8123 -config config.json

Exit status: 0 done (--diff: the two are equal), 1 failed (--diff: the two differ, or one cannot be read, which stderr
tells).";

/// Of `release`.
pub(super) const RELEASE: &str = "\
Examples:
  mesos-dns release -config /etc/mesos-dns/config.json
  mesos-dns release --socket /run/mesos-dns/admin";

/// Of `flush`.
pub(super) const FLUSH: &str = "\
Examples:
  mesos-dns flush www.example.com
  mesos-dns flush --below example.com
  mesos-dns flush --all --socket /run/mesos-dns/admin";

/// Of `completions`.
pub(super) const COMPLETIONS: &str = "\
Examples:
  mesos-dns completions bash >/etc/bash_completion.d/mesos-dns
  mesos-dns completions zsh >/usr/local/share/zsh/site-functions/_mesos-dns
  mesos-dns completions fish >~/.config/fish/completions/mesos-dns.fish";
