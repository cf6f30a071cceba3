#!/usr/bin/env bash
# Builds all packages: a .deb, an archive with the static program, the list of parts, and their checksums.
#
# usage: packaging/build.sh     into target/packages
#
# PACKAGE_REVISION (1) is the part of the Debian version behind the dash.
set -euo pipefail
cd "$(dirname "$0")/.."

SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
export SOURCE_DATE_EPOCH PACKAGE_REVISION=${PACKAGE_REVISION:-1}

program=$(packaging/static.sh | tail -n 1)
packaging/stage.sh "$program"
stage=target/stage packages=target/packages
rm -rf "$packages"
mkdir -p "$packages"
version=$("$stage/mesos-dns" -version)
machine=$(uname -m)

packaging/deb.sh "$packages"

archive=mesos-dns-$version-linux-$machine
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkdir "$folder/$archive"
cp -r "$stage/mesos-dns" "$stage/doc" "$stage/completions" LICENSE CHANGELOG.md examples "$folder/$archive"
tar --directory "$folder" --sort=name --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner \
  --mode=go-w,a+rX --create "$archive" | gzip -9n >"$packages/$archive.tar.gz"
cp "$stage/mesos-dns.debug" "$packages/$archive.debug"
cp "$stage/doc/mesos-dns.cdx.json" "$packages/mesos-dns-$version.cdx.json"

(cd "$packages" && sha256sum -- * >SHA256SUMS && cat SHA256SUMS)
