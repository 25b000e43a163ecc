# SPDX-License-Identifier: Apache-2.0
# Virtual hosts made of network namespaces. Sourced by launch/local-cluster, and by commands run under it that inject
# failures into its hosts or enter them. Host N has the network namespace and host name nodeN and the address 10.77.0.N.
# shellcheck shell=bash

# A tmpfs that only the cluster sees: it disappears when the cluster's last process exits.
cluster=/run/lockstep
# shellcheck disable=SC2034 # read by the scripts that source this
cluster_network=10.77.0.0/24

# enter_host N COMMAND ...: replaces this process by a command on host N, bound to its cores.
enter_host() {
  local host=$1
  shift
  # sh sets the host name, then executes the command, whose arguments pass through unchanged.
  # shellcheck disable=SC2016
  exec taskset -c "$(cat "$cluster/cores$host")" ip netns exec "node$host" unshare --uts \
    sh -c 'hostname "$1"; shift; exec "$@"' sh "node$host" "$@"
}

# start_sshd N: starts an ssh server on host N; it exits with the calling script.
start_sshd() {
  local tenth server
  server=$(type -P sshd || echo /usr/sbin/sshd)
  rm -f "$cluster/pid$1"
  (enter_host "$1" setpriv --pdeathsig KILL "$server" -D -f "$cluster/sshd$1") </dev/null >/dev/null 2>&1 &
  # Keeps bash from reporting when it exits.
  disown
  for ((tenth = 0; tenth < 100; tenth++)); do
    # sshd listens before it writes its PID file, which other scripts read: wait for both.
    if [ -s "$cluster/pid$1" ] && (ip netns exec "node$1" bash -c "exec 3<>/dev/tcp/10.77.0.$1/22") 2>/dev/null; then
      return 0
    fi
    sleep 0.1
  done
  echo "node$1: the ssh server did not start" >&2
  return 69
}

host_processes() { ip netns pids "node$1" 2>/dev/null || true; }

# kill_host N: kills all processes on host N, its ssh server included.
kill_host() {
  local process
  for process in $(host_processes "$1"); do kill -9 "$process" 2>/dev/null || true; done
}

# cut_host N takes the network link of host N down, join_host N brings it up again.
join_host() { ip -n "node$1" link set eth0 up; }
cut_host() { ip -n "node$1" link set eth0 down; }

# make_hosts COUNT SLOTS RATE: creates the hosts. The calling process must be in a mount namespace of its own.
make_hosts() {
  local host
  mkdir -p /run/netns /run/sshd "$cluster"
  mount -t tmpfs -o mode=755 tmpfs /run/netns
  mount -t tmpfs -o mode=755 tmpfs "$cluster"
  mount -t tmpfs -o mode=1777 tmpfs /dev/shm
  write_ssh_files "$1"
  # The switch is a namespace of its own, so the network lives as long as the hosts do, even if this process is killed.
  ip netns add switch
  ip -n switch link add bridge0 type bridge
  ip -n switch link set bridge0 up
  for ((host = 1; host <= $1; host++)); do
    cores_of "$host" "$2" >"$cluster/cores$host"
    echo "node$host slots=$2" >>"$cluster/hostfile"
    add_host "$host" "$3"
    start_sshd "$host"
  done
}

# cores_of N SLOTS: the cores of host N in taskset's format, one per slot; hosts share cores when there are too few.
cores_of() {
  local cores slot list=()
  cores=$(nproc --all)
  for ((slot = ($1 - 1) * $2; slot < $1 * $2; slot++)); do list+=($((slot % cores))); done
  (IFS=,; echo "${list[*]}")
}

# add_host N RATE: creates the namespace of host N and connects it to the switch.
add_host() {
  local host=$1 limit
  ip netns add "node$host"
  ip -n switch link add "port$host" type veth peer name eth0 netns "node$host"
  ip -n switch link set "port$host" master bridge0 up
  ip -n "node$host" addr add "10.77.0.$host/24" dev eth0
  ip -n "node$host" link set eth0 up
  ip -n "node$host" link set lo up
  [ -n "$2" ] || return 0
  limit=(tbf rate "$2" burst "$(burst_of "$2")" latency 50ms)
  tc -n switch qdisc add dev "port$host" root "${limit[@]}"
  tc -n "node$host" qdisc add dev eth0 root "${limit[@]}"
}

# burst_of RATE: the bytes sent in 2 ms at this rate, but at least one large packet.
burst_of() {
  local bytes=${1%[kmg]bit}
  case "$1" in
    *gbit) bytes=$((bytes * 250000)) ;;
    *mbit) bytes=$((bytes * 250)) ;;
    *) bytes=0 ;;
  esac
  echo $((bytes > 65536 ? bytes : 65536))
}

# write_ssh_files COUNT: host names, host keys and login keys, so that each host can log in to every other.
write_ssh_files() {
  local host
  ssh-keygen -q -t ed25519 -N '' -f "$cluster/key"
  ssh-keygen -q -t ed25519 -N '' -f "$cluster/hostkey"
  echo "127.0.0.1 localhost" >"$cluster/hosts"
  for ((host = 1; host <= $1; host++)); do
    echo "10.77.0.$host node$host" >>"$cluster/hosts"
    echo "node$host,10.77.0.$host $(cat "$cluster/hostkey.pub")" >>"$cluster/known_hosts"
    cat >"$cluster/sshd$host" <<FILE
ListenAddress 10.77.0.$host
HostKey $cluster/hostkey
AuthorizedKeysFile $cluster/key.pub
StrictModes no
PidFile $cluster/pid$host
PermitRootLogin yes
MaxStartups 100
ClientAliveInterval 5
FILE
  done
  cat >"$cluster/ssh_config" <<FILE
Host *
  IdentityFile $cluster/key
  IdentitiesOnly yes
  GlobalKnownHostsFile $cluster/known_hosts
  UserKnownHostsFile /dev/null
  LogLevel ERROR
FILE
  mount --bind "$cluster/hosts" /etc/hosts
  mount --bind "$cluster/ssh_config" /etc/ssh/ssh_config
}
