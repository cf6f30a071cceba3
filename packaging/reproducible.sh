#!/usr/bin/env bash
# Builds the static program twice, from copies of this commit in two places with target directories of their own, and
# compares the bytes. What is not committed is not looked at.
#
# usage: packaging/reproducible.sh     some ten minutes
set -euo pipefail
cd "$(dirname "$0")/.."

commit=$(git rev-parse HEAD)
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
places=("$folder/a" "$folder/another/place-with-a-longer-name")
sums=()
for place in "${places[@]}"; do
  mkdir -p "$place"
  git archive "$commit" | tar --extract --directory "$place"
  program=$(CARGO_TARGET_DIR="$folder/target-${#sums[@]}-${#place}" "$place/packaging/static.sh" | tail -n 1)
  sums+=("$(sha256sum <"$program" | cut -d ' ' -f 1)")
  echo "${sums[-1]}  built in $place"
  cp "$program" "$folder/program-${#sums[@]}"
  rm -rf "$folder"/target-*
done
if [ "${sums[0]}" != "${sums[1]}" ]; then
  echo "the two differ:"
  cmp --verbose "$folder/program-1" "$folder/program-2" | wc -l
  diff <(strings "$folder/program-1") <(strings "$folder/program-2") | head -n 20
  exit 1
fi
echo "the same commit gives the same bytes, wherever it is built"
