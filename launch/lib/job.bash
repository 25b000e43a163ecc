# SPDX-License-Identifier: Apache-2.0
# One attempt of a job: starts mpirun, forwards signals to it, and interprets how it ended. Sourced by launch/run.
# shellcheck shell=bash

note() { printf '%s: %s\n' "$program" "$*" >&2; }

mpirun_pid='' stop_signal=0 interrupted=false helpers=()

# How mpirun is started: in a session of its own, so that a terminal's Ctrl-C reaches this script only; with SIGUSR1, which
# it forwards to the ranks, as its parent-death signal; and with SIGTERM blocked, because a SIGTERM sent to all processes of a
# job would make it kill ranks that are about to stop cleanly.
wrapper=(setsid)
if setpriv --pdeathsig USR1 true 2>/dev/null; then wrapper+=(setpriv --pdeathsig USR1); fi
if env --block-signal=TERM true 2>/dev/null; then wrapper+=(env --block-signal=TERM,INT,HUP); fi

catch_signals() {
  trap 'on_signal 15 TERM' TERM HUP
  trap 'on_signal 2 INT' INT
  # Sent by watch_mpirun when mpirun was signaled; this script may have received the same signal itself.
  trap 'interrupted=true; [ "$stop_signal" -ne 0 ] || on_signal 15 TERM' USR1
}

# on_signal NUMBER NAME: forwards the signal to the ranks. On the first one they stop cleanly, on the second immediately.
on_signal() {
  local is_first=$((stop_signal == 0))
  interrupted=true
  stop_signal=$1
  [ -n "$mpirun_pid" ] || return 0
  forward "$2"
  [ "$is_first" -eq 1 ] || kill_after 5
}

# forward NAME: signals the ranks on this machine, which inform the others. If there are none here, mpirun forwards SIGUSR1
# and SIGUSR2, which ranks treat as SIGTERM and SIGINT.
forward() {
  local child name ranks=0 children=0
  for child in $(cat "/proc/$mpirun_pid/task/"*/children 2>/dev/null); do
    name=$(cat "/proc/$child/comm" 2>/dev/null) || continue
    children=$((children + 1))
    case "$name" in ssh | rsh | srun) continue ;; esac
    kill -s "$1" "$child" 2>/dev/null && ranks=$((ranks + 1))
  done
  if [ "$children" -eq 0 ]; then
    kill_mpirun
  elif [ "$ranks" -eq 0 ]; then
    kill -s "$([ "$1" = INT ] && echo USR2 || echo USR1)" "$mpirun_pid" 2>/dev/null || true
  fi
}

# Kills mpirun before it has started anything. Waiting for it here keeps bash from reporting the kill.
kill_mpirun() { { kill -KILL "$mpirun_pid" && wait "$mpirun_pid" || true; } 2>/dev/null; }

# kill_after SECONDS: kills mpirun if it is still running by then; its ranks die with it.
kill_after() {
  local pid=$mpirun_pid
  { sleep "$1"; kill -KILL "$pid" || true; } </dev/null >/dev/null 2>&1 &
  helpers+=($!)
}

# watch_mpirun PID MESSAGES: notifies this script of a signal sent to mpirun only, which blocks it. Kills an mpirun that would
# hang: on a connection that can't be made, or on an unreachable host after the job has failed or the host's ssh has exited.
watch_mpirun() {
  local pending notified=false failing=0 children lost
  local -A ssh_hosts=()
  while pending=$(sed -n 's/^ShdPnd:[[:space:]]*//p' "/proc/$1/status" 2>/dev/null) && [ -n "$pending" ]; do
    # SIGTERM, SIGINT or SIGHUP.
    if ! $notified && ((16#$pending & 0x4003)); then
      kill -USR1 $$
      notified=true
    fi
    if grep -qs "$no_connection" "$2"; then
      sleep 0.2
      kill -KILL "$1"
      return
    fi
    children=$(cat "/proc/$1/task/"*/children 2>/dev/null) || true
    find_lost_host
    record_ssh_hosts
    # 5 seconds after mpirun has reported a failure, or 10 if it has not: ssh also exits when a job ends normally.
    if grep -qsE "$failed_job" "$2"; then failing=$((failing + 2)); elif [ -n "$lost" ]; then failing=$((failing + 1)); fi
    if [ "$failing" -gt 10 ]; then
      [ -z "$lost" ] || grep -qs 'MPI_ABORT was invoked' "$2" || echo "$host_unreachable $lost " >>"$2"
      kill -KILL "$1" || true
      return
    fi
    sleep 1
  done
}

# What mpirun prints about a job that it is about to abort.
failed_job='MPI_ABORT was invoked|unable to reliably start|lost communication with a remote daemon'
# What watch_mpirun adds to mpirun's messages, before the host name.
host_unreachable='mpirun was killed while it waited for host'

# record_ssh_hosts: records in ssh_hosts the host of each ssh process of mpirun, by process ID.
record_ssh_hosts() {
  local child name word before
  for child in $children; do
    [ -z "${ssh_hosts[$child]:-}" ] && read -r name 2>/dev/null <"/proc/$child/comm" && [ "$name" = ssh ] || continue
    before=''
    while IFS= read -r -d '' word; do
      # The daemon's command line is one argument; the host is the one before it.
      case "$word" in *orted*) ssh_hosts[$child]=$before; break ;; esac
      [ -z "$word" ] || before=$word
    done 2>/dev/null <"/proc/$child/cmdline" || true
  done
}

# find_lost_host: sets lost to the host of an ssh process that has exited while mpirun is still running.
find_lost_host() {
  local child
  lost=''
  for child in "${!ssh_hosts[@]}"; do
    [[ " ${children//$'\n'/ } " == *" $child "* ]] || lost=${ssh_hosts[$child]}
  done
}

# What Open MPI prints about a failed connection between ranks, before it hangs.
no_connection='failed to TCP connect to a peer MPI process'

# start_job COMMAND ...: runs a command until it ends. Sets status, and cause: signal, host, launcher or peer for what a
# restart may recover from, otherwise error.
start_job() {
  local file messages input word result=''
  # Unlinked at once, so that it disappears however this script ends.
  file=$(mktemp -t lockstep-messages-XXXXXX)
  exec {messages}<>"$file"
  rm -f "$file"
  # Up to here signals have their default action.
  catch_signals
  # mpirun's own messages go to the file; interpret_exit prints the relevant part.
  # Only a program that is told to (-) reads the standard input.
  exec {input}</dev/null
  for word in "$@"; do [ "$word" != - ] || exec {input}<&0; done
  OPAL_OUTPUT_STDERR_FD=9 "${wrapper[@]}" "$@" <&"$input" 9>&"$messages" &
  mpirun_pid=$!
  exec {input}<&-
  # A signal arrived before there was a process to forward it to.
  [ "$stop_signal" -eq 0 ] || kill_mpirun
  watch_mpirun "$mpirun_pid" "/proc/$$/fd/$messages" </dev/null >/dev/null 2>&1 &
  helpers=($!)
  # A signal interrupts wait, but not mpirun.
  while :; do
    interrupted=false
    status=0
    # Hides bash's message about a killed child: interpret_exit prints one.
    { wait "$mpirun_pid" || status=$?; } 2>/dev/null
    $interrupted || break
    result=$status
  done
  [ "$status" -ne 127 ] || status=${result:-127}
  [ "$status" -ne 137 ] || clean_up_after "$mpirun_pid"
  mpirun_pid=''
  kill "${helpers[@]}" 2>/dev/null || true
  { wait "${helpers[@]}" || true; } 2>/dev/null
  interpret_exit "/proc/$$/fd/$messages"
  exec {messages}>&-
}

# clean_up_after PID: removes what a killed mpirun leaves behind on this machine: its session directory and shared memory.
clean_up_after() {
  local folder job
  for folder in "${OMPI_MCA_orte_tmpdir_base:-${TMPDIR:-/tmp}}"/ompi.*."$(id -u)"/pid."$1"; do
    [ -e "$folder/contact.txt" ] || continue
    # The file starts with mpirun's job number, JOB.0; the job number of the ranks is one higher.
    job=$(sed -n '1s/\..*//p' "$folder/contact.txt")
    [[ ! $job =~ ^[0-9]+$ ]] || rm -f /dev/shm/vader_segment.*."$(printf %x $((job + 1)))".*
    rm -rf "$folder"
  done
}

# interpret_exit MESSAGES: derives cause and the final status from mpirun's status and messages, and reports failures.
interpret_exit() {
  local rank='rank ([0-9]+) with PID [0-9]+ on node ([^ ]+) exited on signal ([0-9]+) \(([^)]*)\)'
  local connection='Local host: ([^ ]+) .*connect\(\) to ([0-9.]+):([0-9]+) failed'
  local text
  text=$(tr '\n' ' ' <"$1" | tr -s ' ')
  cause=error
  if [ "$status" -eq 0 ]; then return; fi
  if [ "$stop_signal" -ne 0 ]; then
    status=$((128 + stop_signal))
  elif [[ $text == *"$no_connection"* && $text =~ $connection ]]; then
    cause=host status=69
    note "${BASH_REMATCH[1]} can't reach ${BASH_REMATCH[2]} port ${BASH_REMATCH[3]}: open the firewall for all TCP between the hosts"
  elif [[ $text =~ "$host_unreachable "([^ ]+) ||
    $text =~ 'lost communication with a remote daemon'.*'Remote daemon:'[^a-z]*'on node '([^ ]+) ]]; then
    cause=host status=75
    note "lost host ${BASH_REMATCH[1]}"
  elif [[ $text =~ 'unable to reliably start one or more daemons' ]]; then
    cause=host status=75
    [[ $text =~ 'Peer host: '([^ ]+) ]] && note "lost host ${BASH_REMATCH[1]}" \
      || note "mpirun could not start on all hosts, or lost one of them"
  elif [[ $text =~ $rank ]]; then
    cause=signal
    # Crashes (SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGSEGV) keep their status: a restart may not help.
    case "${BASH_REMATCH[3]}" in 4 | 5 | 6 | 7 | 8 | 11) ;; *) status=75 ;; esac
    note "rank ${BASH_REMATCH[1]} (${BASH_REMATCH[2]}) was killed by signal ${BASH_REMATCH[3]} (${BASH_REMATCH[4]})"
  elif [[ $text =~ 'peer process has unexpectedly disconnected'.*'Peer host: '([^ ]+) ]]; then
    cause=peer status=75
    note "lost a rank on ${BASH_REMATCH[1]}"
  elif [ "$status" -eq 137 ] && [[ $text =~ 'MPI_ABORT was invoked'.*'with errorcode '([0-9]+) ]]; then
    # Killed by watch_mpirun; the rank has already reported why it aborted.
    status=${BASH_REMATCH[1]}
    [ "$status" -ne 75 ] || cause=peer
  elif [ "$status" -eq 75 ]; then
    cause=peer
  elif [[ $text =~ 'not enough slots available' ]]; then
    status=64
    note "there are more ranks than slots: specify more slots per host, as in node1:4, or start fewer ranks"
  elif [ "$status" -gt 128 ] && [ "$status" -lt 160 ] && ! [[ $text =~ 'non-zero' ]]; then
    cause=launcher
    note "mpirun was killed by signal $((status - 128))"
    status=75
  elif ! [[ $text =~ 'non-zero' || $text =~ 'MPI_ABORT was invoked' ]]; then
    # Any other failure of mpirun itself: report its first paragraph.
    text=$(sed -n '/^-*$/d; p' "$1" | sed -n '1,/^$/p' | tr '\n' ' ' | tr -s ' ')
    note "mpirun exited with status $status${text:+: $text}"
    [ "$status" -ge 64 ] && [ "$status" -le 78 ] || status=69
  fi
}
