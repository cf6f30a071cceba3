#!/usr/bin/env bash
# Shows that the checker bites: builds the program with one deliberate fault at a time, and looks which law breaks.
#
# usage: scripts/mutants.sh [name ...]     (all of mutants/ if none is named)
#
# Works on a copy under the target directory, so nothing here is ever changed. Each fault is tried with seeds 1, 2 and
# so on until one fails, at most MUTANT_SEEDS (60) in virtual time and MUTANT_REAL_SEEDS (8) with the real program;
# one that takes two faults to show is tried with a schedule that is written down, which counts as seed 0.
# Prints a row per fault; the end counts those that survived.
set -euo pipefail
cd "$(dirname "$0")/.."

root=$PWD
scratch=${CARGO_TARGET_DIR:-$root/target}/mutants
tree=$scratch/tree
report=$scratch/report.txt
mkdir -p "$tree"
# The copy is inside a repository; its patches are not about that.
export GIT_CEILING_DIRECTORIES=$scratch
export CARGO_TARGET_DIR=$scratch/build
export TRUTH_BRIEF=1

# Files that a run before left changed are replaced; unchanged ones keep their time, so little is built again.
git ls-files -z | grep -zv '^mutants/' | while IFS= read -r -d '' file; do
  if ! cmp -s "$file" "$tree/$file"; then
    mkdir -p "$tree/$(dirname "$file")"
    cp "$file" "$tree/$file"
  fi
done

# What is no longer here must not be there either.
(cd "$tree" && find . -type f -printf '%P\0') | while IFS= read -r -d '' file; do
  [ -e "$file" ] || rm "$tree/$file"
done

field() { sed -n "s/^$1: //p" "$2" | head -1; }

run() {
  case $1 in
    virtual)
      TRUTH_VIRTUAL_SEEDS=${MUTANT_SEEDS:-60} \
        cargo test --locked --quiet --package mesos-dns-sim --test truth -- --nocapture whatever
      ;;
    written)
      cargo test --locked --quiet --package mesos-dns-sim --test truth -- --nocapture --skip whatever
      ;;
    daemon)
      TRUTH_SEEDS=${MUTANT_REAL_SEEDS:-8} \
        cargo test --locked --quiet --package mesos-dns --test truth -- --nocapture whatever
      ;;
  esac
}

if [ $# -eq 0 ]; then
  set -- mutants/*.patch
fi
survivors=0
printf '| fault | should break | in | broke | with seed |\n| --- | --- | --- | --- | --- |\n'
for patch in "$@"; do
  name=$(basename "$patch" .patch)
  patch=$root/mutants/$name.patch
  law=$(field Law "$patch") runner=$(field Runner "$patch")
  (cd "$tree" && git apply "$patch")
  if (cd "$tree" && run "$runner") >"$report" 2>&1; then
    broke="nothing" seed="-"
    survivors=$((survivors + 1))
  else
    line=$(grep -m1 -oE 'seed [0-9]+ breaks [A-Za-z, ]+' "$report" || true)
    broke=${line#*breaks } seed=$(echo "$line" | grep -oE '[0-9]+' | head -1)
    if [ -z "$line" ]; then
      broke="the build or another test, see below" seed="-"
    fi
  fi
  printf '| %s | %s | %s | %s | %s |\n' "$name" "$law" "$runner" "${broke% }" "$seed"
  if [ "$seed" = "-" ]; then
    tail -n 15 "$report" >&2
  fi
  (cd "$tree" && git apply --reverse "$patch")
done
echo
echo "$survivors survived"
[ "$survivors" -eq 0 ]
