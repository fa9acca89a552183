#!/usr/bin/env bash
# Rewrites src/*/PublicAPI.Unshipped.txt from what the code declares now. Run it after a wanted change of the public
# API and read the diff: that diff is the review of the change.
set -euo pipefail
cd "$(dirname "$0")/.."
for name in Mesh.Discovery Mesh.Client Mesh.Server; do
  file="src/$name/PublicAPI.Unshipped.txt"
  before=$(cat "$file")
  echo '#nullable enable' > "$file"
  log=$(dotnet build "src/$name/$name.csproj" --no-incremental -p:TreatWarningsAsErrors=false -nologo 2>&1) || {
    echo "$before" > "$file"
    grep -E ': error' <<<"$log" | sort -u | head
    exit 1
  }
  symbols=$(grep -E "/src/$name/.*RS0016: Symbol" <<<"$log" | sed -E "s/^.*RS0016: Symbol '(.*)' is not part of the declared.*$/\1/" | LC_ALL=C sort -u || true)
  { echo '#nullable enable'; [ -z "$symbols" ] || echo "$symbols"; } > "$file"
  echo "$name: $(( $(wc -l < "$file") - 1 )) entries"
done
