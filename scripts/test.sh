#!/usr/bin/env bash
# Runs all tests and closes with what was skipped, and the sums.
#
# usage: scripts/test.sh [further arguments for `cargo nextest run`]
#
# A test whose partner is missing (no Knot, no namespaces, no captured documents) prints a line that starts
# with `skipped:` and passes. The runner hides the output of passing tests, so these lines are
# taken from its report, in which no skip can be overlooked.
set -uo pipefail
cd "$(dirname "$0")/.."

# Here wherever the target directory is.
report=target/nextest/default/junit.xml
rm -f "$report"

cargo nextest run --workspace --locked "$@"
status=$?

if [ ! -s "$report" ]; then
  echo "0 passed, 0 failed: the tests did not run"
  exit $((status == 0 ? 1 : status))
fi

# The report escapes characters that XML reserves.
plain() { sed -e 's/&lt;/</g' -e 's/&gt;/>/g' -e 's/&quot;/"/g' -e "s/&apos;/'/g" -e 's/&amp;/\&/g'; }

skips=$(grep -oE '(^|>)skipped:[^<]*' "$report" | sed 's/^>//' | plain | sort | uniq)
if [ -n "$skips" ]; then
  printf '\nNot run here:\n%s\n\n' "$skips"
fi

sum() { grep -m1 '<testsuites ' "$report" | sed -n "s/.* $1=\"\([0-9]*\)\".*/\1/p"; }
failed=$(($(sum failures) + $(sum errors)))
echo "$(($(sum tests) - failed)) passed, $failed failed"
exit $status
