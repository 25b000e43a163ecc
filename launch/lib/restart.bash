# SPDX-License-Identifier: Apache-2.0
# Restarts a training run after the loss of a rank or host. Sourced by launch/run; launch/scale uses its option readers.
# shellcheck shell=bash

# option NAME: the value of an option in command, empty if it is not given.
option() {
  local index word
  for index in "${!command[@]}"; do
    word=${command[index]}
    case "$word" in
      "$1") echo "${command[index + 1]:-}" ;;
      "$1"=*) echo "${word#*=}" ;;
    esac
  done | tail -n 1
}

# setting NAME: the value of --NAME in command, or else of NAME in the command's configuration file.
setting() {
  local config value
  value=$(option "--$1")
  config=$(option --config)
  if [ -z "$value" ] && [ -n "$config" ]; then
    value=$(sed -n "s/^$1: *//p" "$config" 2>/dev/null | sed 's/ *\(#.*\)\{0,1\}$//' | tr -d "\"'" | head -n 1) || true
  fi
  echo "$value"
}

# has_flag NAME: whether command has this flag.
has_flag() {
  local word
  for word in "${command[@]}"; do case "$word" in "$1" | "$1"=*) return ;; esac done
  return 1
}

# prepare_restarts: sets run_directory, choosing one if the command has none, and was_there, whether it existed before.
prepare_restarts() {
  local data
  run_directory=$(setting run)
  if [ -z "$run_directory" ]; then
    data=$(basename -- "${command[2]:-run}")
    case "$data" in -*) data=run ;; esac
    run_directory=runs/$(date +%Y%m%d-%H%M%S)-${data//[^A-Za-z0-9_-]/-}
    command+=(--run "$run_directory")
  fi
  was_there=false
  ! at_first_host test -e "$run_directory" || was_there=true
}

# at_first_host COMMAND ...: runs a command on the host of rank 0, which has the run directory.
at_first_host() { on_host "${host_names[0]:-localhost}" "$@" 2>/dev/null; }

# newest_step: the step of the run's newest checkpoint; -1 if there is none.
newest_step() {
  { at_first_host ls "$run_directory/checkpoints" || true; } 2>/dev/null \
    | sed -n 's/^step-0*\([0-9][0-9]*\)\.safetensors$/\1/p' | sort -n | tail -n 1 | grep . || echo -1
}

# is_ours: whether an attempt of this launch has written to the run's logs.
is_ours() { at_first_host grep -qsF "\"launch\":\"$LOCKSTEP_LAUNCH\"" "$run_directory/timing.jsonl"; }

# choose_attempt STEP: sets attempt_command to the command that resumes from the newest checkpoint, of this step, or that
# starts over if there is none (-1).
choose_attempt() {
  local word skip_value=false
  attempt_command=("${command[@]}")
  if ! is_ours; then
    # No attempt of this launch got as far as its logs: start as the first time. If the directory did not exist before this
    # launch, an earlier attempt has created it, so it may be overwritten.
    if ! $was_there && ! has_flag --overwrite && at_first_host test -e "$run_directory"; then attempt_command+=(--overwrite); fi
    return
  fi
  attempt_command=()
  for word in "${command[@]}"; do
    # The value of --resume, a file, is optional.
    if $skip_value; then
      skip_value=false
      case "$word" in --*) ;; *) continue ;; esac
    fi
    case "$word" in
      --overwrite | --resume=*) ;;
      --resume) skip_value=true ;;
      *) attempt_command+=("$word") ;;
    esac
  done
  if [ "$1" -ge 0 ]; then attempt_command+=(--resume); else attempt_command+=(--overwrite); fi
}

# ranks_left SLOTS: the number of ranks on the remaining slots: as many as requested if they fit; if the first start was
# oversubscribed, oversubscribed by the same factor; never more than there are slices.
ranks_left() {
  local count=$1
  if [ -n "$ranks_asked" ]; then
    if [ "$ranks_asked" -gt "$first_slots" ]; then
      count=$((ranks_asked * $1 / first_slots))
    elif [ "$ranks_asked" -lt "$1" ]; then
      count=$ranks_asked
    fi
  fi
  if [ "$count" -gt "$max_ranks" ]; then count=$max_ranks; fi
  if [ "$count" -lt 1 ]; then count=1; fi
  echo "$count"
}

# pause_before FAILURES: waits before a restart: 0 s for the first failure in a row, then 1, 2, 4, ... up to 30 s.
pause_before() {
  local seconds=$((1 << ($1 > 6 ? 5 : $1 - 2 > 0 ? $1 - 2 : 0)))
  [ "$1" -gt 1 ] || return 0
  [ "$seconds" -le 30 ] || seconds=30
  sleep "$seconds" &
  # A signal interrupts the pause.
  wait $! || true
}

# run_with_restarts: runs the command and restarts it after losses, until it ends for another reason or max_restarts restarts
# in a row have produced no newer checkpoint.
run_with_restarts() {
  local attempt=1 failures=0 newest=-1 step
  max_ranks=$(setting slices)
  [[ $max_ranks =~ ^[0-9]+$ ]] || max_ranks=$ranks
  while :; do
    export LOCKSTEP_ATTEMPT=$attempt
    compose
    start_job "${line[@]}"
    [ "$stop_signal" -eq 0 ] && [ "$cause" != error ] && [ "$status" -ne 0 ] || return 0
    if [ "$max_restarts" -eq 0 ]; then return 0; fi
    # The hostfile is read again, so that hosts can be added or removed between attempts.
    find_hosts
    if [ ${#host_names[@]} -gt 0 ]; then
      drop_unusable_hosts
      [ ${#host_names[@]} -gt 0 ] || fail 69 "none of the hosts can be used"
      all_local || choose_network || exit 69
    fi
    step=$(newest_step)
    if [ "$step" -gt "$newest" ]; then failures=0 newest=$step; fi
    failures=$((failures + 1))
    if [ "$failures" -gt "$max_restarts" ]; then
      note "giving up: $max_restarts restarts without progress beyond $(name_step "$newest")"
      return 0
    fi
    pause_before "$failures"
    [ "$stop_signal" -eq 0 ] || { status=$((128 + stop_signal)); return 0; }
    choose_attempt "$step"
    ranks=$(ranks_left "$(count_slots)")
    note "restart $attempt: on $ranks ranks, from $(name_step "$step")"
    attempt=$((attempt + 1))
  done
}

name_step() { if [ "$1" -ge 0 ]; then echo "the checkpoint of step $1"; else echo "the start"; fi; }
