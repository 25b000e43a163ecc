# SPDX-License-Identifier: Apache-2.0
# Which network the hosts of a job talk over, and whether it lets them. Sourced by launch/run.
# shellcheck shell=bash

number_of() {
  local IFS=. parts
  read -ra parts <<<"$1"
  echo $(((parts[0] << 24) | (parts[1] << 16) | (parts[2] << 8) | parts[3]))
}

# is_in ADDRESS CIDR
is_in() {
  local length=${2#*/}
  local mask=$((length == 0 ? 0 : (0xffffffff << (32 - length)) & 0xffffffff))
  [ $(($(number_of "$1") & mask)) -eq $(($(number_of "${2%/*}") & mask)) ]
}

# address_in ANSWER CIDR: a machine's address in a network, if it has one.
address_in() {
  local address
  for address in $(facts address "$1"); do
    if is_in "$address" "$2"; then
      echo "$address"
      return
    fi
  done
}

# common_networks: those that all machines are on, with the speed of the slowest, in Mbit/s, 0 if unknown. Where two
# machines have the same address, as on a bridge of containers, each has a network of its own.
common_networks() {
  local index
  for index in "${!machines[@]}"; do facts network "${answers[index]}" | awk '!seen[$1]++'; done | awk -v all="${#machines[@]}" '
    !($1 in count) { order[++networks] = $1; slowest[$1] = $3 }
    { count[$1]++; if (taken[$1, $2]++) own[$1] = 1; if ($3 < slowest[$1]) slowest[$1] = $3 }
    END { for (i = 1; i <= networks; i++) { n = order[i]; if (count[n] == all && !own[n]) print n, slowest[n] } }'
}

# choose_network: sets network to the one asked for, or the fastest that all machines are on, the first in this machine's
# routing table among equals. Fails with a line if there is none.
choose_network() {
  local index networks
  network=$network_asked
  if [ -n "$network" ]; then
    for index in "${!machines[@]}"; do
      [ -n "$(address_in "${answers[index]}" "$network")" ] || {
        note "$(name_of "$index") has no address in $network (--network); it has $(facts address "${answers[index]}" | paste -sd ' ')"
        return 1
      }
    done
    return
  fi
  networks=$(common_networks)
  if [ -z "$networks" ]; then
    for index in "${!machines[@]}"; do
      networks+="; $(name_of "$index") is on $(facts network "${answers[index]}" | cut -d ' ' -f 1 | paste -sd ' ')"
    done
    note "no network is common to all hosts: ${networks#; }; if one that is routed joins them, name it with --network"
    return 1
  fi
  network=$(sort -s -k 2,2nr <<<"$networks" | sed -n '1s/ .*//p')
  [ "$(wc -l <<<"$networks")" -eq 1 ] \
    || note "the hosts share $(cut -d ' ' -f 1 <<<"$networks" | paste -sd ' '): taking $network, the fastest; --network chooses another"
}

# Runs on a host, with a port and addresses: tries to reach each. A port that nothing listens on refuses at once.
# shellcheck disable=SC2016 # expanded there
reaching='
export LC_ALL=C
port=$1
shift
try() {
  local words
  words=$(timeout 3 bash -c "exec 3<>/dev/tcp/$1/$port" 2>&1) && return
  case "$? $words" in
    124*) echo "@closed $1 timed out" ;;
    *refused*) ;;
    *) echo "@closed $1 failed (${words##*: })" ;;
  esac
}
for address; do try "$address" & done
wait
echo @end
'

# check_ports: whether every machine reaches every other on the network; says which does not.
check_ports() {
  local index target port address words addresses=() unreached=() reasons=() kept=("${answers[@]}")
  port=${OMPI_MCA_btl_tcp_port_min_v4:-$((32768 + RANDOM % 28000))}
  for index in "${!machines[@]}"; do addresses[index]=$(address_in "${answers[index]}" "$network"); done
  ask_all bash -c "$reaching" reaching "$port" "${addresses[@]}"
  for index in "${!machines[@]}"; do
    while read -r address words; do
      target=$(index_of "$address")
      [ "$target" -ne "$index" ] || continue
      unreached[target]+="${unreached[target]:+, }$(name_of "$index")"
      reasons[target]="TCP to $address port $port $words"
    done < <(facts closed "${answers[index]}")
  done
  answers=("${kept[@]}")
  for target in "${!unreached[@]}"; do
    note "${unreached[target]} can't reach $(name_of "$target"): ${reasons[target]}: let the firewall pass all TCP between the hosts"
  done
  [ ${#unreached[@]} -eq 0 ]
}

# index_of ADDRESS: the machine in addresses that has it.
index_of() {
  local index
  for index in "${!addresses[@]}"; do [ "${addresses[index]}" != "$1" ] || { echo "$index"; return; }; done
}
