#!/usr/bin/env bash
# Lays out beside each other what packages hold: the program, what is known of its parts, completions, manual pages.
#
# usage: packaging/stage.sh PROGRAM     into target/stage, which begins empty
set -euo pipefail
cd "$(dirname "$0")/.."

program=${1:?usage: packaging/stage.sh PROGRAM}
stage=target/stage
rm -rf "$stage"
mkdir -p "$stage/doc" "$stage/completions" "$stage/man"

# Where a panic was is said without symbols; what only a debugger reads is a file of its own.
objcopy --strip-all --remove-section=.comment "$program" "$stage/mesos-dns"
objcopy --only-keep-debug --compress-debug-sections "$program" "$stage/mesos-dns.debug"
chmod 755 "$stage/mesos-dns"

for shell in bash zsh fish; do
  "$stage/mesos-dns" completions "$shell" >"$stage/completions/mesos-dns.$shell"
done

gzip -9nc CHANGELOG.md >"$stage/changelog.gz"
cp README.md SECURITY.md "$stage/doc"
cp docs/*.md "$stage/doc"
packaging/sbom.sh "$stage/doc/mesos-dns.cdx.json"

# Pages are Markdown or ready to be read (docs/man); only those are taken that man can show.
shopt -s nullglob
for page in docs/man/*.[58] target/man/*.[58]; do
  name=$(basename "$page")
  gzip -9nc "$page" >"$stage/man/$name.gz"
done

version=$("$stage/mesos-dns" -version)
when=$(date --utc --rfc-email --date="@${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}")
cat >"$stage/changelog" <<END
mesos-dns ($version-${PACKAGE_REVISION:-1}) stable; urgency=medium

  * See /usr/share/doc/mesos-dns/CHANGELOG.md.

 -- The Mesos-DNS developers <mesos-dns@lists.example.org>  $when
END
