#!/usr/bin/env bash
# Checks dependencies against deny.toml.
#
# usage: scripts/licences.sh              licences, bans, sources
#        scripts/licences.sh advisories   known vulnerabilities: needs the database, skipped where it cannot be had
#
# The lock file also names crates for other systems, which a build does not download but this check reads.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! cargo deny --version >/dev/null 2>&1; then
  echo "skipped: dependency rules: cargo-deny is not installed and could not be"
  exit 0
fi

if ! cargo fetch --locked --quiet; then
  echo "skipped: dependency rules: not every crate of the lock file could be fetched"
  exit 0
fi

if [ "${1:-}" != advisories ]; then
  exec cargo deny --locked check --hide-inclusion-graph licenses bans sources
fi

if ! timeout 120 cargo deny fetch db; then
  echo "skipped: advisories: the database could not be fetched"
  exit 0
fi
exec cargo deny check advisories
