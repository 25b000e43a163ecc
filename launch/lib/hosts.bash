# SPDX-License-Identifier: Apache-2.0
# Which hosts a job runs on, and which of them answer. Sourced by launch/run.
# shellcheck shell=bash

# read_hosts LIST FILE: sets host_names and host_slots from a list such as a:2,b:2, or from a hostfile.
read_hosts() {
  local entry name slots
  host_names=() host_slots=()
  if [ -n "$1" ]; then
    for entry in ${1//,/ }; do
      host_names+=("${entry%%:*}")
      case "$entry" in *:*) host_slots+=("${entry##*:}") ;; *) host_slots+=(1) ;; esac
    done
  elif [ -n "$2" ]; then
    while read -r name slots; do
      host_names+=("$name")
      host_slots+=("$slots")
    done < <(sed 's/#.*//' "$2" | awk 'NF { n = 1; for (i = 2; i <= NF; i++) if ($i ~ /^slots=/) n = substr($i, 7) + 0; print $1, n }')
    [ ${#host_names[@]} -gt 0 ] || fail 65 "$hostfile_source $2: names no host"
  fi
}

# The slots of the hosts, or the cores of this machine.
count_slots() {
  local slots=0 number
  [ ${#host_names[@]} -gt 0 ] || { nproc; return; }
  for number in "${host_slots[@]}"; do slots=$((slots + number)); done
  echo "$slots"
}

is_local() {
  [[ " localhost 127.0.0.1 $(hostname) $(hostname -I 2>/dev/null) " == *" $1 "* ]]
}

all_local() {
  local name
  for name in "${host_names[@]}"; do is_local "$name" || return 1; done
}

# on_host HOST COMMAND ...: runs a command there, in this folder; quickly, or not at all.
on_host() {
  local host=$1 agent
  shift
  if is_local "$host"; then
    "$@"
    return
  fi
  read -ra agent <<<"${OMPI_MCA_plm_rsh_agent:-ssh}"
  [ "$(basename "${agent[0]}")" != ssh ] || agent+=(-o BatchMode=yes -o ConnectTimeout=5)
  timeout 10 "${agent[@]}" "$host" "cd $(printf %q "$PWD") 2>/dev/null; $(printf '%q ' "$@")" </dev/null 2>/dev/null
}

# Leaves those in host_names and host_slots that answer, and names the others.
drop_dead_hosts() {
  local index answers=() names=() slots=()
  for index in "${!host_names[@]}"; do
    on_host "${host_names[index]}" true >/dev/null &
    answers[index]=$!
  done
  for index in "${!host_names[@]}"; do
    if wait "${answers[index]}"; then
      names+=("${host_names[index]}")
      slots+=("${host_slots[index]}")
    else
      note "host ${host_names[index]} does not answer"
    fi
  done
  host_names=("${names[@]}") host_slots=("${slots[@]}")
}

# The hosts as mpirun takes them.
host_list() {
  local index list=''
  for index in "${!host_names[@]}"; do list+=",${host_names[index]}:${host_slots[index]}"; done
  echo "${list#,}"
}
