#!/usr/bin/env bash
# Builds the static program twice, each time from nothing, from copies of this commit in two places, and compares what
# packages hold of it. What is not committed is not looked at. The target directory has one path for both
# (packaging/static.sh says why).
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
  program=$(CARGO_TARGET_DIR="$folder/target" "$place/packaging/static.sh" | tail -n 1)
  copy=$folder/program-$((${#sums[@]} + 1))
  objcopy --strip-all --remove-section=.comment "$program" "$copy"
  sums+=("$(sha256sum <"$copy" | cut -d ' ' -f 1)")
  echo "${sums[-1]}  built in $place"
  rm -rf "$folder/target"
done
if [ "${sums[0]}" != "${sums[1]}" ]; then
  echo "the two differ:"
  cmp --verbose "$folder/program-1" "$folder/program-2" | wc -l
  diff <(strings "$folder/program-1") <(strings "$folder/program-2") | head -n 20
  exit 1
fi
echo "the same commit gives the same bytes, wherever its sources are"
