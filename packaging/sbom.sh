#!/usr/bin/env bash
# Writes the list of everything that is linked into the program, with versions, licences and checksums: CycloneDX, JSON.
#
# usage: packaging/sbom.sh FILE
#
# It follows from the lock file alone: the same commit gives the same bytes.
set -euo pipefail
cd "$(dirname "$0")/.."

file=$(realpath --canonicalize-missing "${1:?usage: packaging/sbom.sh FILE}")
triple=$(rustc -vV | sed -n 's/^host: //p')
cargo metadata --locked --format-version 1 --filter-platform "$triple" |
  python3 packaging/sbom.py mesos-dns Cargo.lock >"$file"
