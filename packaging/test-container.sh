#!/usr/bin/env bash
# Builds the container image, runs it, and asks it.
#
# usage: packaging/test-container.sh PROGRAM
#
# Skipped where there is no engine that works.
set -euo pipefail
cd "$(dirname "$0")/.."

program=${1:?usage: packaging/test-container.sh PROGRAM}
folder=$(mktemp -d)
name=mesos-dns-test-$$
trap 'rm -rf "$folder"' EXIT

skip() {
  echo "skipped: the container: $*"
  exit 0
}

engine=
for candidate in podman docker; do
  if command -v $candidate >/dev/null && timeout 60 $candidate info >/dev/null 2>"$folder/why"; then
    engine=$candidate
    break
  fi
done
[ -n "$engine" ] || skip "no engine: $(tail -n 1 "$folder/why" 2>/dev/null || echo "neither podman nor docker is installed")"

cp packaging/container/Containerfile "$folder"
cp "$program" "$folder/mesos-dns"
"$engine" build --quiet --tag "$name" --file "$folder/Containerfile" "$folder" >"$folder/log" 2>&1 ||
  skip "$engine cannot build: $(tail -n 1 "$folder/log")"

# A cluster, and a configuration for it. It is in the host's network, on ports that are free.
"$program" demo --dns-port 0 --http-port 0 --churn 0 >"$folder/demo" 2>&1 &
demo=$!
# shellcheck disable=SC2329 # called by the trap
end() {
  kill $demo 2>/dev/null || true
  "$engine" rm --force "$name" >/dev/null 2>&1 || true
  "$engine" rmi --force "$name" >/dev/null 2>&1 || true
  rm -rf "$folder"
}
trap end EXIT
for _ in $(seq 150); do
  grep -q contentHash "$folder/demo" && break
  sleep 0.2
done
masters=$(sed -n 's/^ *"masters": \[\(.*\)\],$/\1/p' "$folder/demo")
# Ports that are free now.
read -r dns http < <(python3 -c 'import socket
sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
print(*(one.getsockname()[1] for one in sockets))')
mkdir "$folder/etc"
cat >"$folder/etc/config.json" <<END
{"masters": [$masters], "listener": "127.0.0.1", "port": $dns, "httplistener": "127.0.0.1", "httpport": $http,
 "externalon": false}
END
chmod -R a+rX "$folder"

# Limits that any machine grants; and no control groups, which not every machine has as the engine wants them.
limits=(--ulimit nofile=1024:4096 --ulimit nproc=512:512)
[ "$engine" != podman ] || limits+=(--cgroups disabled)
"$engine" run "${limits[@]}" --detach --name "$name" --network host --read-only --cap-drop ALL \
  --security-opt no-new-privileges --volume "$folder/etc:/etc/mesos-dns:ro" "$name" >"$folder/log" 2>&1 ||
  skip "$engine cannot run: $(tail -n 1 "$folder/log")"
for _ in $(seq 150); do
  "$engine" exec "$name" /usr/bin/mesos-dns status "http://127.0.0.1:$http" >/dev/null 2>&1 && break
  sleep 0.2
done
"$engine" exec "$name" /usr/bin/mesos-dns status "http://127.0.0.1:$http" >/dev/null || { "$engine" logs "$name" && exit 1; }
pid=$("$engine" inspect --format '{{.State.Pid}}' "$name")
[ "$(stat --format %u "/proc/$pid")" = 65532 ] || { echo "it runs as $(stat --format %u "/proc/$pid")" && exit 1; }
"$engine" stop --time 10 "$name" >/dev/null
[ "$("$engine" inspect --format '{{.State.ExitCode}}' "$name")" = 0 ] || { echo "it did not end orderly" && exit 1; }
echo "the container serves, as user 65532 ($engine)"
