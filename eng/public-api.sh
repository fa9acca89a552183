#!/usr/bin/env bash
# Rewrites src/*/PublicAPI.Unshipped.txt from what the code declares now. Run it after a wanted change of the public
# API and read the diff: that diff is the review of the change.
set -euo pipefail
cd "$(dirname "$0")/.."
for project in src/*/; do
  name=$(basename "$project")
  file="$project/PublicAPI.Unshipped.txt"
  before=$(cat "$file")
  echo '#nullable enable' > "$file"
  log=$(dotnet build "$project$name.csproj" --no-incremental -p:TreatWarningsAsErrors=false -p:BuildProjectReferences="${BUILD_REFERENCES:-true}" -nologo 2>&1) || {
    if ! grep -q 'RS00' <<<"$log"; then echo "$before" > "$file"; grep -E 'error' <<<"$log" | sort -u | head; exit 1; fi
  }
  { echo '#nullable enable'
    { grep -E "/src/$name/.*RS0016: Symbol '(.*)' is not part of the declared.*$/\1/" | LC_ALL=C sort -u
  } > "$file"
  echo "$name: $(( $(wc -l < "$file") - 1 )) entries"
done
