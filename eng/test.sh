#!/usr/bin/env bash
# Builds everything and runs all tests, from nothing: needs the .NET 10 SDK only. The last line is `N passed, N failed`,
# summed over all test projects. Fails on any failed test, on a test project that
# crashes, hangs or runs no test, and on any build warning. Tests with a real Consul agent are skipped where
# eng/get-consul.sh finds none; with CI=true they fail.
#
# Release, because that is what ships, and because the property, share and end-to-end tests then take a fraction of the
# time on two cores. One project after the other: the end-to-end tests start a dozen processes and must not compete.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

configuration=Release
minutes_per_project=15
results="$PWD/artifacts/test-results"
export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1
# No build server and no compiler server: nothing stays behind.
export MSBUILDDISABLENODEREUSE=1 DOTNET_CLI_USE_MSBUILD_SERVER=0 UseSharedCompilation=false

passed=0 failed=0 skipped=0
child=

finish() {
  if [ "$skipped" -gt 0 ]; then
    echo "($skipped skipped)"
  fi
  echo "$passed passed, $failed failed"
  [ "$failed" -eq 0 ] || exit 1
  exit 0
}

stop_child() {
  if [ -n "$child" ]; then
    kill -TERM -- "-$child" 2>/dev/null || true
  fi
  exit 130
}
trap stop_child INT TERM HUP

# Runs a command in a process group of its own, so that a hang or Ctrl-C ends the tests' own processes too.
run() {
  local status=0
  set -m
  "$@" </dev/null &
  child=$!
  set +m
  wait "$child" || status=$?
  child=
  return "$status"
}

counter() { # file, name
  sed -n "s/.*<Counters.* $2=\"\([0-9]*\)\".*/\1/p" "$1" | head -n 1
}

rm -rf "$results"
mkdir -p "$results"

echo "== build ($configuration)"
if ! run dotnet build Mesh.Library.sln --configuration "$configuration" -warnaserror; then
  echo "The build failed or gave warnings: no test was run."
  failed=1
  finish
fi

echo "== consul"
if run bash eng/get-consul.sh >"$results/consul.path"; then
  MESH_CONSUL=$(tail -n 1 "$results/consul.path")
  export MESH_CONSUL
  echo "$MESH_CONSUL"
else
  echo "There is no Consul agent here: the tests with one are skipped, or fail if CI=true."
fi

limit=()
if command -v timeout >/dev/null; then
  limit=(timeout --kill-after=30s "${minutes_per_project}m")
fi

for project in tests/*/*.csproj; do
  name=$(basename "$project" .csproj)
  # A project that the solution forgot has no binaries and so fails here.
  report="$results/$name.trx"
  status=0
  echo "== $name"
  run ${limit[@]+"${limit[@]}"} dotnet test "$project" --configuration "$configuration" --no-build \
    --no-progress --no-ansi --results-directory "$results" \
    --report-xunit-trx --report-xunit-trx-filename "$name.trx" || status=$?

  total=0
  if [ -f "$report" ]; then
    total=$(counter "$report" total)
  fi
  if [ "${total:-0}" -eq 0 ]; then
    echo "$name: crashed, hung or ran no test (exit code $status): counted as one failure"
    failed=$((failed + 1))
    continue
  fi

  now_passed=$(counter "$report" passed)
  now_failed=$((total - now_passed - $(counter "$report" notExecuted)))
  if [ "$now_failed" -eq 0 ] && [ "$status" -ne 0 ]; then
    echo "$name: all its tests passed, but the run ended with exit code $status: counted as one failure"
    now_failed=1
  fi
  passed=$((passed + now_passed))
  failed=$((failed + now_failed))
  skipped=$((skipped + $(counter "$report" notExecuted)))
done

finish
