# SPDX-License-Identifier: Apache-2.0
# Probes the hosts of a job before it starts: all at the same time, each with one command. Sourced by launch/run.
# shellcheck shell=bash

# The command that runs on each host. Arguments: program, working directory, prefix of an Open MPI in an unusual place,
# yes if the program is lockstep, LD_LIBRARY_PATH. Prints one "@name value" per line; login shells may print other lines.
# shellcheck disable=SC2016 # expanded on the host
probe='
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
# The networks that it is connected to: routes without a gateway.
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

# answer_of HOST COMMAND ...: what the command prints there, then its status.
answer_of() {
  local result=0
  on_host "$@" 2>&1 || result=$?
  echo "@status $result"
}

# ask_all COMMAND ...: runs a command on all machines at the same time; sets answers and answer_status.
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

# facts NAME ANSWER: the values that a machine printed under this name.
facts() { sed -n "s/^@$1 //p" <<<"$2"; }

# probe_hosts: probes all hosts. Sets machines (this one first, then the remote hosts), host_machines (for each of host_names
# its index in machines), answers, and problems (why a machine can't be used; empty if it can).
probe_hosts() {
  local index is_ours=no
  machines=(localhost) host_machines=()
  for index in "${!host_names[@]}"; do
    host_machines[index]=0
    is_local "${host_names[index]}" && continue
    host_machines[index]=${#machines[@]}
    machines+=("${host_names[index]}")
  done
  [ "${command[0]}" != "$binary" ] || is_ours=yes
  ask_all bash -c "$probe" probe "${command[0]}" "$PWD" "$(mpi_prefix)" "$is_ours" "${LD_LIBRARY_PATH:-}"
  problems=()
  for index in "${!machines[@]}"; do problems[index]=$(problem_of "$index"); done
}

# mpi_prefix: the installation prefix of an Open MPI outside the standard directories.
mpi_prefix() {
  local mpirun
  mpirun=$(type -P mpirun) || return 0
  case "$mpirun" in /usr/bin/* | /bin/* | /usr/local/bin/*) ;; *) dirname "$(dirname "$mpirun")" ;; esac
}

# name_of INDEX: the host name of a machine.
name_of() { if [ "$1" -eq 0 ]; then hostname; else echo "${machines[$1]}"; fi; }

# problem_of INDEX: why a machine can't be used, and what to do about it.
problem_of() {
  local answer=${answers[$1]} own=${answers[0]} missing build
  if [[ $answer != *@end* ]]; then
    reason_of "${answer_status[$1]}" "$answer" "${machines[$1]}"
    return
  fi
  missing=$(facts library "$answer" | paste -sd ' ')
  build=$(facts program "$answer")
  if [ "$build" = missing ]; then
    echo "${command[0]} is missing there or not executable: copy it from this machine to the same path"
  elif [ -n "$missing" ]; then
    echo "${command[0]} is missing shared libraries there: $missing; run launch/setup there, and install Swift if its libraries are among them"
  elif [ "$(facts mpi "$answer" | head -n 1)" = missing ]; then
    echo "Open MPI is not installed there: run launch/setup there"
  elif [ "$(facts mpi "$answer")" != "$(facts mpi "$own")" ]; then
    echo "Open MPI is version $(facts mpi "$answer") there, but $(facts mpi "$own") on this machine: install the same version on both"
  elif [ "$build" != "$(facts program "$own")" ] && ! has_flag --allow-mixed-hardware; then
    echo "${command[0]} is a different build there: copy it from this machine, or allow this with --allow-mixed-hardware"
  fi
}

# report_problems: prints the problems. Returns 0 if there are none, 76 if all are different builds, else 69.
report_problems() {
  local index result=0
  for index in "${!machines[@]}"; do
    if [[ ${answers[index]} == *'@folder missing'* ]]; then
      note "$(name_of "$index"): there is no directory $PWD: relative paths start in the home directory"
    fi
    [ -n "${problems[index]}" ] || continue
    note "$(name_of "$index"): ${problems[index]}"
    case "${problems[index]}" in *'is a different build'*) [ $result -ne 0 ] || result=76 ;; *) result=69 ;; esac
  done
  return $result
}

# drop_unusable_hosts: removes the hosts that can't be used from host_names and host_slots, and reports why.
drop_unusable_hosts() {
  local index names=() slots=() places=()
  [ ${#host_names[@]} -gt 0 ] && ! all_local || return 0
  probe_hosts
  report_problems || true
  for index in "${!host_names[@]}"; do
    [ -z "${problems[host_machines[index]]}" ] || continue
    names+=("${host_names[index]}")
    slots+=("${host_slots[index]}")
    places+=("${host_machines[index]}")
  done
  # Machines keep their indices: host_machines refers to them.
  for index in "${!machines[@]}"; do
    [ -z "${problems[index]}" ] || unset "machines[index]" "answers[index]"
  done
  host_names=("${names[@]}") host_slots=("${slots[@]}") host_machines=("${places[@]}")
}

# is_oversubscribed: whether a host has fewer cores than slots.
is_oversubscribed() {
  local index cores
  for index in "${!host_machines[@]}"; do
    cores=$(facts cores "${answers[host_machines[index]]}")
    [ "${host_slots[index]}" -le "${cores:-${host_slots[index]}}" ] || return 0
  done
  return 1
}
