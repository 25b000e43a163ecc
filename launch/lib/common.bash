# SPDX-License-Identifier: Apache-2.0
# Common functions of the launch scripts. Sourced, not executed.
# shellcheck shell=bash

set -euo pipefail

program="launch/$(basename "$0")"
root=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../.." && pwd)
export root

# fail STATUS MESSAGE: prints one line to stderr and exits. Statuses are those of sysexits.h.
fail() {
  printf '%s: %s\n' "$program" "$2" >&2
  exit "$1"
}

say() { printf '%s: %s\n' "$program" "$*"; }

# Prints the comment block at the top of the script, from its third line to the first empty one.
show_help() {
  sed -n '3,/^$/{ s/^# \{0,1\}//p; }' "$0"
}

need_value() {
  [ "$2" -ge 2 ] || fail 64 "$1 needs a value; see $program --help"
}

use_swift() {
  command -v swift >/dev/null && return
  local folder
  for folder in /opt/swift/usr/bin /usr/share/swift/usr/bin "$HOME/.local/share/swiftly/bin"; do
    [ -x "$folder/swift" ] && export PATH="$folder:$PATH" && return
  done
  fail 69 "Swift is not installed: install version 6.1 or later from https://swift.org/install"
}

# swift_flags ARCH: sets flags, the build flags. They are the same for the program and its tests, so nothing is built twice.
# shellcheck disable=SC2034 # read by the scripts that source this
swift_flags() {
  local arch=$1
  case "$(uname -m)" in
    x86_64) flags=(-c release -Xcc "-march=$arch") ;;
    *) flags=(-c release -Xcc "-mcpu=$arch") ;;
  esac
  # Run-time checks of exclusive access cost 5 % of a small step; the compile-time checks remain.
  flags+=(-Xswiftc -enforce-exclusivity=unchecked)
}
