# SPDX-License-Identifier: Apache-2.0
# What each host of a job is asked before the start: all at once, and once. Sourced by launch/run.
# shellcheck shell=bash

# Runs on a host, with the program, the folder, mpirun's folder if it is an unusual one, and yes for a program of ours.
# Prints facts, a line each, with an @ before them: a login may print as well.
# shellcheck disable=SC2016 # expanded there
inquiry='
export LC_ALL=C
program=$1 folder=$2 prefix=$3 is_ours=$4
[ -z "$5" ] || export LD_LIBRARY_PATH=$5
[ -z "$prefix" ] || PATH=$prefix/bin:$PATH
echo "@cores $(nproc)"
[ -d "$folder" ] || echo "@folder missing"
[ -x "$(type -P orted)" ] || echo "@mpi missing"
echo "@mpi $(mpirun --version 2>/dev/null | sed -n "1s/.* //p")"
file=$(type -P "$program")
if [ ! -x "$file" ]; then
  echo "@program missing"
elif [ "$is_ours" = yes ]; then
  echo "@program $(sha256sum <"$file" | cut -c 1-64)"
  ldd "$file" 2>&1 | sed -n "s/^[[:space:]]*\([^ ]*\) => not found.*/@library \1/p
    s/.*error while loading shared libraries: \([^:]*\): .*/@library \1/p" | sort -u
fi
addresses=$(awk "/32 host LOCAL/ { print last } { last = \$2 }" /proc/net/fib_trie | sort -u | grep -v "^127\.")
number() { local IFS=.; set -- $1; echo $((($1 << 24) | ($2 << 16) | ($3 << 8) | $4)); }
# The networks that it is on, from the routing table: what has no gateway.
while read -r interface to gateway _ _ _ _ mask _; do
  [ "$gateway" = 00000000 ] && [ "$to" != 00000000 ] && [ "$mask" != FFFFFFFF ] || continue
  net=$((0x${to:6:2}${to:4:2}${to:2:2}${to:0:2})) bits=$((0x${mask:6:2}${mask:4:2}${mask:2:2}${mask:0:2})) length=0
  while [ $(((bits << length) & 0x80000000)) -ne 0 ]; do length=$((length + 1)); done
  speed=$(cat "/sys/class/net/$interface/speed" 2>/dev/null)
  [ "${speed:--1}" -gt 0 ] || speed=0
  for address in $addresses; do
    [ $(($(number "$address") & bits)) -eq $net ] || continue
    echo "@network $((net >> 24)).$((net >> 16 & 255)).$((net >> 8 & 255)).$((net & 255))/$length $address $speed"
    break
  done
done </proc/net/route
for address in $addresses; do echo "@address $address"; done
echo @end
'

answer_of() {
  local result=0
  on_host "$@" 2>&1 || result=$?
  echo "@status $result"
}

# ask_all COMMAND ...: runs it on each of machines at once; sets answers and answer_status.
ask_all() {
  local index files=()
  answers=() answer_status=()
  for index in "${!machines[@]}"; do
    exec {files[index]}< <(answer_of "${machines[index]}" "$@")
  done
  for index in "${!machines[@]}"; do
    answers[index]=$(cat <&"${files[index]}")
    answer_status[index]=${answers[index]##*@status }
    answers[index]=${answers[index]%@status *}
    exec {files[index]}<&-
  done
}

# facts NAME ANSWER: the values of a fact.
facts() { sed -n "s/^@$1 //p" <<<"$2"; }

# inquire: asks all hosts. Sets machines: this one, then the hosts that are others; host_machines, the place there of each of
# host_names; answers; and problems: what keeps a machine from taking part, empty where nothing does.
inquire() {
  local index is_ours=no
  machines=(localhost) host_machines=()
  for index in "${!host_names[@]}"; do
    host_machines[index]=0
    is_local "${host_names[index]}" && continue
    host_machines[index]=${#machines[@]}
    machines+=("${host_names[index]}")
  done
  [ "${command[0]}" != "$binary" ] || is_ours=yes
  ask_all bash -c "$inquiry" inquiry "${command[0]}" "$PWD" "$(mpi_prefix)" "$is_ours" "${LD_LIBRARY_PATH:-}"
  problems=()
  for index in "${!machines[@]}"; do problems[index]=$(problem_of "$index"); done
}

# The folder of an Open MPI that is in an unusual place.
mpi_prefix() {
  local mpirun
  mpirun=$(type -P mpirun) || return 0
  case "$mpirun" in /usr/bin/* | /bin/* | /usr/local/bin/*) ;; *) dirname "$(dirname "$mpirun")" ;; esac
}

# name_of INDEX: of a machine.
name_of() { if [ "$1" -eq 0 ]; then hostname; else echo "${machines[$1]}"; fi; }

# problem_of INDEX: what keeps a machine from taking part.
problem_of() {
  local answer=${answers[$1]} own=${answers[0]} missing build
  if [[ $answer != *@end* ]]; then
    reason_of "${answer_status[$1]}" "$answer" "${machines[$1]}"
    return
  fi
  missing=$(facts library "$answer" | paste -sd ' ')
  build=$(facts program "$answer")
  if [ "$build" = missing ]; then
    echo "${command[0]} is not there, or can't be run: copy it there from this machine, to the same place"
  elif [ -n "$missing" ]; then
    echo "${command[0]} lacks libraries there: $missing; run launch/setup there, and install Swift where its libraries are missing"
  elif [ "$(facts mpi "$answer" | head -n 1)" = missing ]; then
    echo "Open MPI is not there: run launch/setup there"
  elif [ "$(facts mpi "$answer")" != "$(facts mpi "$own")" ]; then
    echo "it has Open MPI $(facts mpi "$answer"), this machine has $(facts mpi "$own"): install the same version on both"
  elif [ "$build" != "$(facts program "$own")" ] && ! has_flag --allow-mixed-hardware; then
    echo "${command[0]} is another build there: copy it there from this machine, or allow it with --allow-mixed-hardware"
  fi
}

# name_problems: says what keeps machines from taking part. Fails if anything does: with 76 if it is only their builds.
name_problems() {
  local index result=0
  for index in "${!machines[@]}"; do
    if [[ ${answers[index]} == *'@folder missing'* ]]; then
      note "$(name_of "$index"): there is no folder $PWD: relative paths are those of the home folder"
    fi
    [ -n "${problems[index]}" ] || continue
    note "$(name_of "$index"): ${problems[index]}"
    case "${problems[index]}" in *'is another build'*) [ $result -ne 0 ] || result=76 ;; *) result=69 ;; esac
  done
  return $result
}

# drop_dead_hosts: leaves those in host_names and host_slots that can take part, and names the others.
drop_dead_hosts() {
  local index names=() slots=() places=()
  [ ${#host_names[@]} -gt 0 ] && ! all_local || return 0
  inquire
  name_problems || true
  for index in "${!host_names[@]}"; do
    [ -z "${problems[host_machines[index]]}" ] || continue
    names+=("${host_names[index]}")
    slots+=("${host_slots[index]}")
    places+=("${host_machines[index]}")
  done
  # Machines keep their places.
  for index in "${!machines[@]}"; do
    [ -z "${problems[index]}" ] || unset "machines[index]" "answers[index]"
  done
  host_names=("${names[@]}") host_slots=("${slots[@]}") host_machines=("${places[@]}")
}

# is_crowded: whether a host that was asked has fewer cores than slots.
is_crowded() {
  local index cores
  for index in "${!host_machines[@]}"; do
    cores=$(facts cores "${answers[host_machines[index]]}")
    [ "${host_slots[index]}" -le "${cores:-${host_slots[index]}}" ] || return 0
  done
  return 1
}
