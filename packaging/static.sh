#!/usr/bin/env bash
# Builds the program as one static file, and checks that it is static.
#
# usage: packaging/static.sh     the last line is the file's path
#
# The target directory is that of Cargo (CARGO_TARGET_DIR, or target/). Sources stand in the file as /src, crates as
# /cargo, what is made while building as /build. One path is left: OpenSSL notes where it was made, which is below the
# target directory. So the same bytes come from the same target directory, wherever the sources are.
set -euo pipefail
cd "$(dirname "$0")/.."

triple=$(rustc -vV | sed -n 's/^host: //p')
case $triple in
  *-linux-gnu) ;;
  *)
    echo "static: only for Linux with the GNU C library, not for $triple" >&2
    exit 1
    ;;
esac

# One directory for each way of building: other flags would build everything again and again.
target=${CARGO_TARGET_DIR:-$PWD/target}/static
cargo_home=${CARGO_HOME:-$HOME/.cargo}
export CARGO_TARGET_DIR=$target
# Times within C libraries come from the commit.
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 1)}
export SOURCE_DATE_EPOCH
maps="$PWD=/src $cargo_home=/cargo $target=/build"
rust_flags="-C target-feature=+crt-static"
for map in $maps; do
  rust_flags+=" --remap-path-prefix=$map"
done
export RUSTFLAGS=$rust_flags

# With a target named, the flags are not for what runs while building.
cargo build --release --locked --target "$triple" --package mesos-dns --bin mesos-dns >&2

program=$target/$triple/release/mesos-dns
if readelf --program-headers "$program" | grep -q 'Requesting program interpreter'; then
  echo "static: $program wants a dynamic linker" >&2
  exit 1
fi
if readelf --dynamic "$program" | grep -q NEEDED; then
  echo "static: $program wants shared libraries" >&2
  exit 1
fi
"$program" -version >&2
echo "$program"
