# SPDX-License-Identifier: Apache-2.0
# One start of a job: mpirun, the signals that are passed on to it, and what its end means. Sourced by launch/run.
# shellcheck shell=bash

note() { printf '%s: %s\n' "$program" "$*" >&2; }

mpirun_pid='' stop_signal=0 interrupted=false helpers=()

# What mpirun is started with: a session of its own, so that a terminal's Ctrl-C reaches this script alone; SIGUSR1, which
# it passes on to the ranks, when this script dies; and deaf to SIGTERM, since one to all processes of a job would make it
# kill ranks that are about to stop in order.
shell=(setsid)
if setpriv --pdeathsig USR1 true 2>/dev/null; then shell+=(setpriv --pdeathsig USR1); fi
if env --block-signal=TERM true 2>/dev/null; then shell+=(env --block-signal=TERM,INT,HUP); fi

catch_signals() {
  trap 'on_signal 15 TERM' TERM HUP
  trap 'on_signal 2 INT' INT
  # From watch_mpirun, who may tell what is known already.
  trap 'interrupted=true; [ "$stop_signal" -ne 0 ] || on_signal 15 TERM' USR1
}

# on_signal NUMBER NAME: passes it on to the ranks. At the first one they stop in order, at the second at once.
on_signal() {
  local is_first=$((stop_signal == 0))
  interrupted=true
  stop_signal=$1
  [ -n "$mpirun_pid" ] || return 0
  pass_on "$2"
  [ "$is_first" -eq 1 ] || end_later 5
}

# Signals the ranks on this machine, which tell the others. Without a rank here mpirun passes on SIGUSR1 and SIGUSR2, which
# ranks take for SIGTERM and SIGINT.
pass_on() {
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

# Ends mpirun before it has started anything. Waiting for it here keeps the shell's line about that to itself.
kill_mpirun() { { kill -KILL "$mpirun_pid" && wait "$mpirun_pid" || true; } 2>/dev/null; }

# end_later SECONDS: kills mpirun if it is still there then; its ranks die with it.
end_later() {
  local pid=$mpirun_pid
  { sleep "$1"; kill -KILL "$pid" || true; } </dev/null >/dev/null 2>&1 &
  helpers+=($!)
}

# watch_mpirun PID MESSAGES: tells this script of a signal that is sent to mpirun alone, which is deaf to it. Ends an mpirun
# that waits for ever: for a connection that can't be had, or for a host out of reach, after the job has failed or the host's
# ssh has ended.
watch_mpirun() {
  local pending told=false failing=0 children lost
  local -A ways=()
  while pending=$(sed -n 's/^ShdPnd:[[:space:]]*//p' "/proc/$1/status" 2>/dev/null) && [ -n "$pending" ]; do
    if ! $told && ((16#$pending & 0x4003)); then
      kill -USR1 $$
      told=true
    fi
    if grep -qs "$no_connection" "$2"; then
      sleep 0.2
      kill -KILL "$1"
      return
    fi
    children=$(cat "/proc/$1/task/"*/children 2>/dev/null) || true
    find_lost_way
    note_ways
    # 5 seconds after it was told, or 10 where nothing was: a job that ends well loses these ways too.
    if grep -qsE "$failed_job" "$2"; then failing=$((failing + 2)); elif [ -n "$lost" ]; then failing=$((failing + 1)); fi
    if [ "$failing" -gt 10 ]; then
      [ -z "$lost" ] || grep -qs 'MPI_ABORT was invoked' "$2" || echo "$host_out_of_reach $lost " >>"$2"
      kill -KILL "$1" || true
      return
    fi
    sleep 1
  done
}

# What mpirun says of a job that it is about to end.
failed_job='MPI_ABORT was invoked|unable to reliably start|lost communication with a remote daemon'
# What watch_mpirun adds.
host_out_of_reach='mpirun was ended since it waited for host'

# Keeps in ways the hosts that mpirun reaches by ssh, by process.
note_ways() {
  local child name word before
  for child in $children; do
    [ -z "${ways[$child]:-}" ] && read -r name 2>/dev/null <"/proc/$child/comm" && [ "$name" = ssh ] || continue
    before=''
    while IFS= read -r -d '' word; do
      # The daemon's command is one word, the host is the one before.
      case "$word" in *orted*) ways[$child]=$before; break ;; esac
      [ -z "$word" ] || before=$word
    done 2>/dev/null <"/proc/$child/cmdline" || true
  done
}

# Sets lost to the host of an ssh that has ended, while mpirun goes on.
find_lost_way() {
  local child
  lost=''
  for child in "${!ways[@]}"; do
    [[ " ${children//$'\n'/ } " == *" $child "* ]] || lost=${ways[$child]}
  done
}

# What Open MPI says of a connection between ranks that fails, before it waits for ever.
no_connection='failed to TCP connect to a peer MPI process'

# start_job COMMAND ...: runs it to its end; sets status, and cause to what restarting may mend: signal, host, launcher,
# peer, or to error.
start_job() {
  local file messages result=''
  # A file without a name: nothing is left of it however this script ends.
  file=$(mktemp -t lockstep-messages-XXXXXX)
  exec {messages}<>"$file"
  rm -f "$file"
  # Until here a signal may end this script as it ends any.
  catch_signals
  # What mpirun itself has to say goes to the messages, of which the person is told what matters.
  OPAL_OUTPUT_STDERR_FD=9 "${shell[@]}" "$@" </dev/null 9>&"$messages" &
  mpirun_pid=$!
  # A signal that came before there was anything to pass it on to.
  [ "$stop_signal" -eq 0 ] || kill_mpirun
  watch_mpirun "$mpirun_pid" "/proc/$$/fd/$messages" </dev/null >/dev/null 2>&1 &
  helpers=($!)
  # A signal ends wait, but not mpirun.
  while :; do
    interrupted=false
    status=0
    # Not the shell's line about a child that was killed: there is one of our own.
    { wait "$mpirun_pid" || status=$?; } 2>/dev/null
    $interrupted || break
    result=$status
  done
  [ "$status" -ne 127 ] || status=${result:-127}
  [ "$status" -ne 137 ] || clean_up_after "$mpirun_pid"
  mpirun_pid=''
  kill "${helpers[@]}" 2>/dev/null || true
  { wait "${helpers[@]}" || true; } 2>/dev/null
  judge "/proc/$$/fd/$messages"
  exec {messages}>&-
}

# clean_up_after PID: removes what an mpirun that was killed leaves on this machine: its folder, and shared memory.
clean_up_after() {
  local folder job
  for folder in "${OMPI_MCA_orte_tmpdir_base:-${TMPDIR:-/tmp}}"/ompi.*."$(id -u)"/pid."$1"; do
    [ -e "$folder/contact.txt" ] || continue
    # Its first word is the launcher's number, JOB.0; that of the ranks' job is one more.
    job=$(sed -n '1s/\..*//p' "$folder/contact.txt")
    [[ ! $job =~ ^[0-9]+$ ]] || rm -f /dev/shm/vader_segment.*."$(printf %x $((job + 1)))".*
    rm -rf "$folder"
  done
}

# judge MESSAGES: what the end of mpirun with this status, after these messages, means.
judge() {
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
    note "${BASH_REMATCH[1]} can't reach ${BASH_REMATCH[2]} port ${BASH_REMATCH[3]}: let the firewall pass all TCP between the hosts"
  elif [[ $text =~ "$host_out_of_reach "([^ ]+) ||
    $text =~ 'lost communication with a remote daemon'.*'Remote daemon:'[^a-z]*'on node '([^ ]+) ]]; then
    cause=host status=75
    note "lost host ${BASH_REMATCH[1]}"
  elif [[ $text =~ 'unable to reliably start one or more daemons' ]]; then
    cause=host status=75
    [[ $text =~ 'Peer host: '([^ ]+) ]] && note "lost host ${BASH_REMATCH[1]}" \
      || note "mpirun could not start on every host, or lost one"
  elif [[ $text =~ $rank ]]; then
    cause=signal
    # Faults of the program itself keep their number: trying again may not help.
    case "${BASH_REMATCH[3]}" in 4 | 5 | 6 | 7 | 8 | 11) ;; *) status=75 ;; esac
    note "rank ${BASH_REMATCH[1]} (${BASH_REMATCH[2]}) was ended by signal ${BASH_REMATCH[3]} (${BASH_REMATCH[4]})"
  elif [[ $text =~ 'peer process has unexpectedly disconnected'.*'Peer host: '([^ ]+) ]]; then
    cause=peer status=75
    note "a rank on ${BASH_REMATCH[1]} went away"
  elif [ "$status" -eq 137 ] && [[ $text =~ 'MPI_ABORT was invoked'.*'with errorcode '([0-9]+) ]]; then
    # Ended by watch_mpirun; the rank has said why.
    status=${BASH_REMATCH[1]}
    [ "$status" -ne 75 ] || cause=peer
  elif [ "$status" -eq 75 ]; then
    cause=peer
  elif [[ $text =~ 'not enough slots available' ]]; then
    status=64
    note "the hosts have fewer slots than there are ranks; name more slots, as in node1:4, or start fewer ranks"
  elif [ "$status" -gt 128 ] && [ "$status" -lt 160 ] && ! [[ $text =~ 'non-zero' ]]; then
    cause=launcher
    note "mpirun was ended by signal $((status - 128))"
    status=75
  elif ! [[ $text =~ 'non-zero' || $text =~ 'MPI_ABORT was invoked' ]]; then
    # Something that only mpirun knows: its own first sentence.
    text=$(sed -n '/^-*$/d; p' "$1" | sed -n '1,/^$/p' | tr '\n' ' ' | tr -s ' ')
    note "mpirun ended with status $status${text:+: $text}"
    [ "$status" -ge 64 ] && [ "$status" -le 78 ] || status=69
  fi
}
