#!/usr/bin/env bash
# Makes the .deb of what packaging/stage.sh laid out.
#
# usage: packaging/deb.sh FOLDER     PACKAGE_REVISION (1) is the part of the version behind the dash; with FAST set
#                                    it is larger and sooner made
set -euo pipefail
folder=$(realpath "${1:?usage: packaging/deb.sh FOLDER}")
cd "$(dirname "$0")/.."

if ! cargo deb --version >/dev/null 2>&1; then
  echo "skipped: the .deb: cargo-deb is not installed (scripts/install.sh test-all)"
  exit 0
fi
variant=()
[ -z "$(ls target/stage/man)" ] || variant=(--variant man)
version=$(target/stage/mesos-dns -version)-${PACKAGE_REVISION:-1}
cargo deb --quiet --locked --no-build --no-strip --package mesos-dns "${variant[@]}" --deb-version "$version" \
  --output "$folder/" ${FAST:+--fast}
