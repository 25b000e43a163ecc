# SPDX-License-Identifier: Apache-2.0
# Runs commands on other hosts. Sourced by launch/run.
# shellcheck shell=bash

# Timeout of a command on another host, in seconds.
answer_seconds=15

# on_host HOST COMMAND ...: runs a command there, in this directory if it exists there, through the remote shell of mpirun.
on_host() {
  local host=$1 agent arguments
  shift
  if is_local "$host"; then
    timeout "$answer_seconds" "$@" </dev/null
    return
  fi
  if [ "$scheduler" = Slurm ] && [ -z "${OMPI_MCA_plm_rsh_agent:-}" ] && type -P srun >/dev/null; then
    timeout "$answer_seconds" srun --overlap --nodes=1 --ntasks=1 --nodelist="$host" --quiet "$@" </dev/null
    return
  fi
  read -ra agent <<<"${OMPI_MCA_plm_rsh_agent:-ssh}"
  read -ra arguments <<<"${OMPI_MCA_plm_rsh_args:-}"
  [ "$(basename "${agent[0]}")" != ssh ] || agent+=(-o BatchMode=yes -o ConnectTimeout=5)
  timeout "$answer_seconds" "${agent[@]}" "${arguments[@]}" "$host" \
    "cd $(quote "$PWD") 2>/dev/null; $(quote "$@")" </dev/null
}

# quote WORD ...: quotes the words for any login shell.
quote() {
  local word
  for word in "$@"; do printf "'%s' " "${word//\'/\'\\\'\'}"; done
}

# reason_of STATUS MESSAGES HOST: why a host did not answer, and what to do.
reason_of() {
  case "$2" in
    *'Could not resolve hostname'*) echo "unknown host name: check its spelling, or add it to /etc/hosts" ;;
    *'IDENTIFICATION HAS CHANGED'*)
      echo "its host key has changed: if that is expected, remove the old key with ssh-keygen -R $3, and log in once with ssh $3" ;;
    *'Host key verification failed'*) echo "its host key is unknown: log in once with ssh $3, and confirm the key" ;;
    *'Permission denied'*)
      echo "ssh denied access to $(id -un): run ssh-copy-id $3$([ "$(id -u)" -ne 0 ] || echo ", and check that PermitRootLogin allows root")" ;;
    *'Connection refused'*) echo "ssh connection refused: install and start openssh-server there" ;;
    *'No route to host'* | *'Network is unreachable'*) echo "no route to host: is it up and on this network?" ;;
    *'timed out'* | *'Connection closed'*) echo "ssh connection timed out: is it up, or is there a firewall?" ;;
    *'failed to run command'* | *'command not found'*) echo "the remote shell is not installed here: $(head -n 1 <<<"$2")" ;;
    *)
      if [ "$1" -eq 124 ]; then
        echo "no answer within $answer_seconds s: is it down or overloaded?"
      else
        echo "the remote shell failed with status $1: $(sed '/^$/d' <<<"$2" | tail -n 1)"
      fi
      ;;
  esac
}
