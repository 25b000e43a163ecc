# SPDX-License-Identifier: Apache-2.0
# The network over which the hosts of a job communicate. Sourced by launch/run.
# shellcheck shell=bash

# number_of ADDRESS: an IPv4 address as an integer.
number_of() {
  local IFS=. parts
  read -ra parts <<<"$1"
  echo $(((parts[0] << 24) | (parts[1] << 16) | (parts[2] << 8) | parts[3]))
}

# is_in ADDRESS CIDR: whether the address belongs to the network.
is_in() {
  local length=${2#*/}
  local mask=$((length == 0 ? 0 : (0xffffffff << (32 - length)) & 0xffffffff))
  [ $(($(number_of "$1") & mask)) -eq $(($(number_of "${2%/*}") & mask)) ]
}

# address_in ANSWER CIDR: the address in a network of the machine that gave this answer, if it has one.
address_in() {
  local address
  for address in $(facts address "$1"); do
    if is_in "$address" "$2"; then
      echo "$address"
      return
    fi
  done
}

# common_networks: the networks that all machines are on, each with the speed of its slowest interface in Mbit/s (0 if
# unknown). A network on which two machines have the same address, as on a container bridge, is private to each and left out.
common_networks() {
  local index
  for index in "${!machines[@]}"; do facts network "${answers[index]}" | awk '!seen[$1]++'; done | awk -v all="${#machines[@]}" '
    !($1 in count) { order[++networks] = $1; slowest[$1] = $3 }
    { count[$1]++; if (taken[$1, $2]++) own[$1] = 1; if ($3 < slowest[$1]) slowest[$1] = $3 }
    END { for (i = 1; i <= networks; i++) { n = order[i]; if (count[n] == all && !own[n]) print n, slowest[n] } }'
}

# choose_network: sets network to the requested one, or to the fastest that all machines are on; among equals the first in
# this machine's routing table wins. Prints a message and fails if there is none.
choose_network() {
  local index networks
  network=$network_asked
  if [ -n "$network" ]; then
    for index in "${!machines[@]}"; do
      [ -n "$(address_in "${answers[index]}" "$network")" ] || {
        note "$(name_of "$index") has no address in $network (--network); its addresses: $(facts address "${answers[index]}" | paste -sd ' ')"
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
    note "the hosts share no network: ${networks#; }; if a routed network connects them, specify it with --network"
    return 1
  fi
  network=$(sort -s -k 2,2nr <<<"$networks" | sed -n '1s/ .*//p')
  [ "$(wc -l <<<"$networks")" -eq 1 ] \
    || note "the hosts share the networks $(cut -d ' ' -f 1 <<<"$networks" | paste -sd ' '): using $network, the fastest; choose another with --network"
}

# Runs on each host, with a port and addresses: tries to connect to each. A port that nothing listens on, but that no firewall
# blocks, refuses the connection immediately, which counts as reachable.
# shellcheck disable=SC2016 # expanded on the host
connect_to_all='
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

# check_ports: whether every machine can reach every other over the network; reports each one that can't be reached.
check_ports() {
  local index target port address words addresses=() unreached=() reasons=() kept=("${answers[@]}")
  port=${OMPI_MCA_btl_tcp_port_min_v4:-$((32768 + RANDOM % 28000))}
  for index in "${!machines[@]}"; do addresses[index]=$(address_in "${answers[index]}" "$network"); done
  ask_all bash -c "$connect_to_all" connect "$port" "${addresses[@]}"
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
    note "${unreached[target]} can't reach $(name_of "$target"): ${reasons[target]}: open the firewall for all TCP between the hosts"
  done
  [ ${#unreached[@]} -eq 0 ]
}

# index_of ADDRESS: the index of an address in addresses.
index_of() {
  local index
  for index in "${!addresses[@]}"; do [ "${addresses[index]}" != "$1" ] || { echo "$index"; return; }; done
}
