#!/usr/bin/env bash
# Looks over what is handed out without running it: units, scripts, files in JSON, the Ansible role.
#
# usage: packaging/check.sh         takes seconds
#        packaging/check.sh --all   with the rules for Ansible roles, which take longer
#
# What a missing tool would look at is named as skipped.
#
# The functions are called by their names (look):
# shellcheck disable=SC2317
set -euo pipefail
cd "$(dirname "$0")/.."

failed=0
# look WHAT TOOL COMMAND...: runs it where there is the tool, and shows what it says only if it complains.
look() {
  local what=$1 tool=$2 said
  shift 2
  if ! command -v "$tool" >/dev/null 2>&1; then
    echo "skipped: $what: $tool is not installed"
  elif ! said=$("$@" 2>&1); then
    printf '%s:\n%s\n' "$what" "$said"
    failed=1
  fi
}

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# As they would be installed, but for the program, which need not be.
units() {
  local unit said
  for unit in examples/*.service examples/*.socket; do
    sed 's,^ExecStart=/usr/bin/mesos-dns ,ExecStart=/bin/true ,' "$unit" >"$folder/$(basename "$unit")"
  done
  said=$(SYSTEMD_UNIT_PATH="$folder:" systemd-analyze verify --man=no "$folder"/mesos-dns* 2>&1 | grep "$folder" || true)
  printf '%s' "$said"
  [ -z "$said" ]
}

# Exposure at most 2.0 of 10.
exposure() { systemd-analyze security --no-pager --offline=true --threshold=20 examples/mesos-dns.service; }

json() {
  local file
  for file in packaging/deb/config.json examples/*.json contrib/marathon/*.json; do
    python3 -m json.tool "$file" >/dev/null || { echo "$file" && return 1; }
  done
}

role() {
  cd contrib/ansible && ANSIBLE_LOCALHOST_WARNING=false ansible-playbook --syntax-check --inventory localhost, site.yml
}

# Ansible's own rules, without asking anybody for newer ones.
role_rules() { cd contrib/ansible && ansible-lint --offline --nocolor -q site.yml; }

look "unit files" systemd-analyze units
look "exposure of the service" systemd-analyze exposure
look "shell scripts of the packages" shellcheck shellcheck packaging/*.sh packaging/deb/p*
look "files in JSON" python3 json
look "the Ansible role" ansible-playbook role
if [ "${1:-}" = --all ]; then
  look "rules for the Ansible role" ansible-lint role_rules
fi
exit $failed
