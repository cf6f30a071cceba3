#!/usr/bin/env bash
# Runs the fuzz targets under libFuzzer, each for a time, and tells how much each did.
#
# usage: scripts/fuzz.sh SECONDS [target...]     without a target: all
#
# What was found interesting is kept in fuzz/corpus, what fails in fuzz/artifacts; neither belongs to the project. An
# input that failed becomes a file in fuzz/seeds once its fault is mended. The compiler is the stable one:
# RUSTC_BOOTSTRAP lets it take the flags that libFuzzer needs.
set -uo pipefail
cd "$(dirname "$0")/.."
export RUSTC_BOOTSTRAP=1

seconds=${1:?usage: scripts/fuzz.sh SECONDS [target...]}
shift
[ $# -gt 0 ] || set -- $(cargo fuzz list)

cargo fuzz build || exit 1
failed=0
for target in "$@"; do
  mkdir -p "fuzz/corpus/$target"
  # A hang is anything over a second, in a build that is many times slower than a release; memory has its limit too.
  report=$(cargo fuzz run "$target" "fuzz/corpus/$target" "fuzz/seeds/$target" -- \
    -max_total_time="$seconds" -timeout=1 -rss_limit_mb=2048 -print_final_stats=1 2>&1)
  status=$?
  executions=$(sed -n 's/^stat::number_of_executed_units: *//p' <<<"$report")
  rate=$(sed -n 's/^stat::average_exec_per_sec: *//p' <<<"$report")
  coverage=$(grep -oE 'cov: [0-9]+ ft: [0-9]+' <<<"$report" | tail -n 1)
  printf '%-16s %12s executions %8s/s  %s\n' "$target" "${executions:-none}" "${rate:-0}" "$coverage"
  if [ $status -ne 0 ]; then
    failed=1
    tail -n 60 <<<"$report"
  fi
done
exit $failed
