# SPDX-License-Identifier: Apache-2.0
# How a training run is started again after a loss. Sourced by launch/run.
# shellcheck shell=bash

# option NAME: the value of an option of the command, empty if it has none.
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

# setting NAME: the same, or else what the command's configuration file says.
setting() {
  local config value
  value=$(option "--$1")
  config=$(option --config)
  if [ -z "$value" ] && [ -n "$config" ]; then
    value=$(sed -n "s/^$1: *//p" "$config" 2>/dev/null | sed 's/ *\(#.*\)\{0,1\}$//' | tr -d "\"'" | head -n 1) || true
  fi
  echo "$value"
}

has_flag() {
  local word
  for word in "${command[@]}"; do case "$word" in "$1" | "$1"=*) return ;; esac done
  return 1
}

# Makes sure that the run's directory is known here, and whether it was there before.
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

# The folder of the run is where rank 0 is.
at_first_host() { on_host "${host_names[0]:-localhost}" "$@" 2>/dev/null; }

# The step of the run's newest checkpoint; -1 if there is none.
newest_step() {
  { at_first_host ls "$run_directory/checkpoints" || true; } 2>/dev/null \
    | sed -n 's/^step-0*\([0-9][0-9]*\)\.safetensors$/\1/p' | sort -n | tail -n 1 | grep . || echo -1
}

# Whether a start of this launch has opened the run's logs.
is_ours() { at_first_host grep -qsF "\"launch\":\"$LOCKSTEP_LAUNCH\"" "$run_directory/timing.jsonl"; }

# again_arguments STEP: sets again to the command that goes on with what there is.
again_arguments() {
  local word skip_value=false
  again=("${command[@]}")
  if ! is_ours; then
    # Nothing of this launch: as at first. What it made, but left before the logs, is its to replace.
    if ! $was_there && ! has_flag --overwrite && at_first_host test -e "$run_directory"; then again+=(--overwrite); fi
    return
  fi
  again=()
  for word in "${command[@]}"; do
    # --resume may stand alone, or before a file.
    if $skip_value; then
      skip_value=false
      case "$word" in --*) ;; *) continue ;; esac
    fi
    case "$word" in
      --overwrite | --resume=*) ;;
      --resume) skip_value=true ;;
      *) again+=("$word") ;;
    esac
  done
  if [ "$1" -ge 0 ]; then again+=(--resume); else again+=(--overwrite); fi
}

# ranks_left SLOTS: how many ranks run on the slots that are left: as many as were asked for if they fit, as crowded as at
# first if they did not fit then, and never more than there are slices.
ranks_left() {
  local count=$1
  if [ -n "$ranks_asked" ]; then
    if [ "$ranks_asked" -gt "$first_slots" ]; then
      count=$((ranks_asked * $1 / first_slots))
    elif [ "$ranks_asked" -lt "$1" ]; then
      count=$ranks_asked
    fi
  fi
  if [ "$count" -gt "$most_ranks" ]; then count=$most_ranks; fi
  if [ "$count" -lt 1 ]; then count=1; fi
  echo "$count"
}

# pause_before FAILURES: none before the first restart, then 1, 2, 4 and so on, up to 30 seconds.
pause_before() {
  local seconds=$((1 << ($1 > 6 ? 5 : $1 - 2 > 0 ? $1 - 2 : 0)))
  [ "$1" -gt 1 ] || return 0
  [ "$seconds" -le 30 ] || seconds=30
  sleep "$seconds" &
  # A signal ends the pause.
  wait $! || true
}

# Runs the command, and again after losses, until it ends in another way or max_restarts restarts have brought no newer
# checkpoint.
run_with_restarts() {
  local attempt=1 failures=0 newest=-1 step
  most_ranks=$(setting slices)
  [[ $most_ranks =~ ^[0-9]+$ ]] || most_ranks=$ranks
  while :; do
    export LOCKSTEP_ATTEMPT=$attempt
    compose
    start_job "${line[@]}"
    [ "$stop_signal" -eq 0 ] && [ "$cause" != error ] && [ "$status" -ne 0 ] || return 0
    if [ "$max_restarts" -eq 0 ]; then return 0; fi
    # Read again, so that the file can take hosts out or bring some in.
    find_hosts
    if [ ${#host_names[@]} -gt 0 ]; then
      drop_dead_hosts
      [ ${#host_names[@]} -gt 0 ] || fail 69 "no host answers"
      all_local || choose_network || exit 69
    fi
    step=$(newest_step)
    if [ "$step" -gt "$newest" ]; then failures=0 newest=$step; fi
    failures=$((failures + 1))
    if [ "$failures" -gt "$max_restarts" ]; then
      note "giving up: $max_restarts restarts have brought no checkpoint newer than $(name_step "$newest")"
      return 0
    fi
    pause_before "$failures"
    [ "$stop_signal" -eq 0 ] || { status=$((128 + stop_signal)); return 0; }
    again_arguments "$step"
    ranks=$(ranks_left "$(count_slots)")
    note "restart $attempt: on $ranks ranks, from $(name_step "$step")"
    attempt=$((attempt + 1))
  done
}

name_step() { if [ "$1" -ge 0 ]; then echo "the checkpoint of step $1"; else echo "the start"; fi; }
