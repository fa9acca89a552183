#!/usr/bin/env bash
# Finds or fetches a Consul agent for the tests that need a real one. The last line of standard output is the path of a
# binary that runs; everything else goes to standard error. Exit code 1, with the reason, if there is none to be had.
#
# In this order: $MESH_CONSUL, `consul` on PATH, an earlier copy in artifacts/tools, Debian's package. The package is in
# the suite bullseye only, so it comes from the Debian mirror that apt on this machine is set up with (its proxy and
# credentials apply), through package lists of our own below artifacts/tools: no root needed, nothing is installed, and
# the machine's lists stay as they are. apt verifies the signature of the suite and the hash of the package.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export LC_ALL=C

suite=bullseye
tools="$PWD/artifacts/tools"
stable="$tools/consul"
work=

say() { echo "get-consul: $*" >&2; }

give_up() {
  say "$@"
  say "Put a consul binary (1.8 or later) on PATH or name one in MESH_CONSUL, then run this again."
  exit 1
}

runs() { "$1" version >/dev/null 2>&1 </dev/null; }

answer() { # path, from here or from the root
  case $1 in
    /*) echo "$1" ;;
    *) echo "$PWD/$1" ;;
  esac
  exit 0
}

clean_up() { [ -z "$work" ] || rm -rf "$work"; }

# Repositories that apt here would read for binary packages, Debian's main archive first.
mirrors() {
  apt-get "${apt[@]}" update --print-uris 2>/dev/null |
    sed -n "s|^'\(.*\)/dists/.*/InRelease' .*|\1|p" |
    awk '!seen[$0]++ { rank = /\/debian\/?$/ ? 0 : (/security/ ? 2 : 1); print rank, $0 }' |
    sort -s -n -k 1,1 | cut -d ' ' -f 2-
}

# Debian's keys here: those the sources name, the usual places, what apt trusts anyway (-), and the retired keys.
keyrings() {
  local file
  {
    sed -n 's/.*[Ss]igned-[Bb]y[=:] *\(\/[^] ,]*\).*/\1/p' \
      /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources 2>/dev/null |
      grep debian || true
    echo /usr/share/keyrings/debian-archive-keyring.gpg
    echo -
    echo /usr/share/keyrings/debian-archive-removed-keys.gpg
  } | awk '!seen[$0]++' | while read -r file; do
    if [ "$file" = - ] || [ -r "$file" ]; then
      echo "$file"
    fi
  done
}

# Reads the lists of the suite from one mirror. 0: done, 1: not with these keys, 2: not from this mirror.
read_lists() { # mirror, keyring
  local signed_by=
  [ "$2" = - ] || signed_by=" signed-by=$2"
  echo "deb [arch=$architecture target=Packages$signed_by] $1 $suite main" >"$work/sources.list"
  if apt-get "${apt[@]}" -o "Dir::Etc::sourcelist=$work/sources.list" -o Dir::Etc::sourceparts=/dev/null \
    -o APT::Update::Error-Mode=any update >"$work/update.log" 2>&1; then
    return 0
  fi
  if grep -q -e NO_PUBKEY -e 'GPG error' -e EXPKEYSIG -e KEYEXPIRED "$work/update.log"; then
    return 1
  fi
  return 2
}

fetch() {
  local mirror keyring status reasons=
  while read -r mirror <&3; do
    while read -r keyring <&4; do
      status=0
      read_lists "$mirror" "$keyring" || status=$?
      if [ "$status" -eq 0 ]; then
        if (cd "$work" && apt-get "${apt[@]}" -o "Dir::Etc::sourcelist=$work/sources.list" \
          -o Dir::Etc::sourceparts=/dev/null download "consul:$architecture" >download.log 2>&1); then
          return 0
        fi
        reasons+="$(grep '^[EW]:' "$work/download.log" || true)"$'\n'
        break
      fi
      reasons+="$(grep '^[EW]:' "$work/update.log" || true)"$'\n'
      [ "$status" -eq 1 ] || break
    done 4< <(keyrings)
  done 3< <(mirrors)
  say "apt said:"
  # A mirror's address may carry a password.
  printf '%s' "$reasons" | sed 's|://[^/@ ]*@|://|g' | awk 'NF && !seen[$0]++' >&2
  return 1
}

if [ -n "${MESH_CONSUL:-}" ]; then
  found=$(type -P "$MESH_CONSUL") && runs "$found" ||
    give_up "MESH_CONSUL names '$MESH_CONSUL', which does not run."
  answer "$found"
fi
if found=$(type -P consul) && runs "$found"; then
  answer "$found"
fi
if [ -x "$stable" ] && runs "$stable"; then
  answer "$stable"
fi

for program in apt-get dpkg dpkg-deb; do
  command -v "$program" >/dev/null || give_up "No consul on PATH, and this machine has no $program to fetch one with."
done
architecture=$(dpkg --print-architecture)
case $architecture in
  amd64 | arm64) ;;
  *) give_up "No consul on PATH, and it is fetched for amd64 and arm64 only; this machine is $architecture." ;;
esac

mkdir -p "$tools"
trap clean_up EXIT
trap 'exit 130' INT TERM HUP
# Each run works in a directory of its own and publishes by renaming: two at once cost time, not correctness.
work=$(mktemp -d "$tools/.fetch.XXXXXX")
mkdir -p "$work/state/lists/partial" "$work/cache/archives/partial"
# -c is read last: the machine's hooks around apt-get update are about the machine's own lists.
printf '#clear APT::Update::%s;\n' Pre-Invoke Post-Invoke Post-Invoke-Success >"$work/apt.conf"
apt=(
  -c "$work/apt.conf" -q
  -o "Dir::State=$work/state" -o "Dir::State::lists=$work/state/lists" -o "Dir::Cache=$work/cache"
  -o "Dir::Log=$work" -o Acquire::Languages=none -o Acquire::Retries=2
  -o Acquire::http::Timeout=30 -o Acquire::https::Timeout=30
)
if [ "$(id -u)" -eq 0 ]; then
  # The unprivileged user of apt need not be able to reach this directory.
  apt+=(-o APT::Sandbox::User=root)
fi

[ -n "$(mirrors)" ] || give_up "No consul on PATH, and apt on this machine names no repository to fetch it from."
say "fetching Debian's consul ($suite, $architecture) through apt ..."
fetch || give_up "No repository that apt on this machine uses gave a verified consul of the suite $suite."

package=$(find "$work" -maxdepth 1 -name 'consul_*.deb')
version=$(dpkg-deb --field "$package" Version)
dpkg -x "$package" "$work/tree"
runs "$work/tree/usr/bin/consul" ||
  give_up "Debian's consul $version does not run on this machine: $("$work/tree/usr/bin/consul" version 2>&1 || true)"

target="$tools/consul-${version//[^A-Za-z0-9.+-]/_}"
# mv -T onto a directory that is not empty fails: another run was first, and its copy serves as well.
if ! mv -T "$work/tree" "$target" 2>/dev/null && ! runs "$target/usr/bin/consul"; then
  rm -rf "$target"
  mv -T "$work/tree" "$target"
fi
ln -s "$(basename "$target")/usr/bin/consul" "$work/consul"
mv -T "$work/consul" "$stable"
say "consul $version is in $target"
answer "$stable"
