# SPDX-License-Identifier: Apache-2.0
# The hosts and slots of a job. Sourced by launch/run and launch/scale.
# shellcheck shell=bash

# find_hosts: sets host_names and host_slots from the options, or else from the scheduler that started this script.
find_hosts() {
  host_names=() host_slots=() scheduler=''
  if [ -n "$hosts_asked" ]; then
    read_host_list "$hosts_asked"
  elif [ -n "$hostfile" ]; then
    read_hostfile "$hostfile" "$hostfile_source"
  elif [ -n "${SLURM_JOB_NODELIST:-}" ]; then
    read_slurm
  elif hostfile_of_operator; then
    scheduler=Kubernetes
    read_hostfile "$operator_hostfile" "the MPI Operator's hostfile"
  fi
}

# read_host_list LIST: a list such as a:2,b:2.
read_host_list() {
  local entry
  for entry in ${1//,/ }; do
    host_names+=("${entry%%:*}")
    case "$entry" in *:*) host_slots+=("${entry##*:}") ;; *) host_slots+=(1) ;; esac
  done
}

# read_hostfile FILE SOURCE: lines such as "a slots=2", as mpirun reads them.
read_hostfile() {
  local name slots
  while read -r name slots; do
    [[ $slots =~ ^[1-9][0-9]{0,5}$ ]] || fail 65 "$2 $1: host $name: slots=$slots must be a positive integer"
    host_names+=("$name")
    host_slots+=("$slots")
  done < <(sed 's/#.*//' "$1" | awk 'NF { n = 1; for (i = 2; i <= NF; i++) if ($i ~ /^slots=/) n = substr($i, 7); print $1, n }')
  [ ${#host_names[@]} -gt 0 ] || fail 65 "$2 $1: lists no hosts"
}

# The hosts of a Slurm job: one slot per task, or one per CPU where the job does not specify tasks.
read_slurm() {
  local counts=${SLURM_TASKS_PER_NODE:-${SLURM_JOB_CPUS_PER_NODE:-1}} part number
  if [ "${SLURM_STEP_NUM_TASKS:-1}" -gt 1 ]; then
    fail 64 "srun starts $program once per task: call it from the batch script without srun"
  fi
  scheduler=Slurm
  type -P scontrol >/dev/null || fail 69 "SLURM_JOB_NODELIST is set, but scontrol is not installed: specify the hosts with --hosts"
  mapfile -t host_names < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
  # Such as 4(x2),3: four on each of two hosts, then three.
  for part in ${counts//,/ }; do
    [[ $part =~ ^([1-9][0-9]*)(\(x([1-9][0-9]*)\))?$ ]] || break
    for ((number = ${BASH_REMATCH[3]:-1}; number > 0; number--)); do host_slots+=("${BASH_REMATCH[1]}"); done
  done
  [ ${#host_names[@]} -gt 0 ] && [ ${#host_names[@]} -eq ${#host_slots[@]} ] \
    || fail 69 "can't match Slurm's node list $SLURM_JOB_NODELIST with its task counts $counts: specify the hosts with --hosts"
}

# Whether Kubernetes' MPI Operator provides a hostfile; sets operator_hostfile.
hostfile_of_operator() {
  for operator_hostfile in "${OMPI_MCA_orte_default_hostfile:-}" /etc/mpi/hostfile; do
    [ -z "$operator_hostfile" ] || [ ! -r "$operator_hostfile" ] || return 0
  done
  return 1
}

# count_slots: the total number of slots of the hosts, or of cores of this machine if there are no hosts.
count_slots() {
  local slots=0 number
  [ ${#host_names[@]} -gt 0 ] || { nproc; return; }
  for number in "${host_slots[@]}"; do slots=$((slots + number)); done
  echo "$slots"
}

own_names=''
# is_local HOST: whether it is this machine.
is_local() {
  own_names=${own_names:-" $(hostname) localhost 127.0.0.1 $(hostname -I 2>/dev/null || true) "}
  [[ $own_names != *" $1 "* ]] || return 0
  # A fully qualified name counts if it resolves to an address of this machine.
  [[ $own_names == " ${1%%.*} "* ]] && [[ $own_names == *" $(getent ahostsv4 "$1" | sed -n '1s/ .*//p') "* ]]
}

all_local() {
  local name
  for name in "${host_names[@]}"; do is_local "$name" || return 1; done
}

# host_list: the hosts in the format of mpirun --host.
host_list() {
  local index list=''
  for index in "${!host_names[@]}"; do list+=",${host_names[index]}:${host_slots[index]}"; done
  echo "${list#,}"
}
