# SPDX-License-Identifier: Apache-2.0
"""Hosts on one machine: network namespaces with an sshd each, joined at a given rate. Needs root.

Host n (from 1) has the address 10.78.0.n, the name bench<n>, and core n - 1 for itself.
"""

import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time

from .program import UNAVAILABLE, MeasurementError, fail

PREFIX = "lkb"
NETWORK = "10.78.0.0/24"
TOOLS = {"ip": "iproute2", "tc": "iproute2", "ssh": "openssh-client", "sshd": "openssh-server",
         "ssh-keygen": "openssh-client", "taskset": "util-linux", "unshare": "util-linux"}


def tool(name):
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")


def check():
    """Ends the program unless hosts can be made here."""
    if os.geteuid() != 0:
        fail(UNAVAILABLE, "network namespaces need root: run it with sudo, or with --parts one-host")
    for name, package in TOOLS.items():
        if not tool(name):
            fail(UNAVAILABLE, f"{name} is not installed: apt-get install {package}")


def call(*words, must=True):
    done = subprocess.run(
        [tool(words[0]) or words[0], *words[1:]], stdin=subprocess.DEVNULL, capture_output=True, text=True,
        check=False)
    if must and done.returncode != 0:
        raise MeasurementError(f"{' '.join(words)}: {(done.stderr or done.stdout).strip()}")


class Hosts:
    """`with Hosts(2, "1gbit") as hosts:`; everything is removed at the end, also after a failure."""

    def __init__(self, count, rate):
        self.count, self.rate = count, rate
        self.name = f"{PREFIX}{os.getpid()}"
        self.addresses = [f"10.78.0.{host}" for host in range(1, count + 1)]

    def __enter__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="lockstep-hosts-"))
        try:
            self.make()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for host in range(1, self.count + 1):
            try:
                os.kill(int((self.folder / f"pid{host}").read_text()), signal.SIGTERM)
            except (OSError, ValueError):
                pass
            end_processes(f"{self.name}n{host}")
            call("ip", "link", "del", f"{self.name}v{host}", must=False)
            call("ip", "netns", "del", f"{self.name}n{host}", must=False)
        call("ip", "link", "del", self.name, must=False)
        shutil.rmtree(self.folder, ignore_errors=True)

    def make(self):
        pathlib.Path("/run/sshd").mkdir(exist_ok=True)
        for key in ("key", "hostkey"):
            call("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self.folder / key))
        (self.folder / "ssh").write_text(
            f"Host *\n  IdentityFile {self.folder}/key\n  StrictHostKeyChecking no\n"
            "  UserKnownHostsFile /dev/null\n  LogLevel ERROR\n", encoding="ascii")
        call("ip", "link", "add", self.name, "type", "bridge")
        call("ip", "link", "set", self.name, "up")
        for host, address in enumerate(self.addresses, 1):
            self.add(host, address)

    def add(self, host, address):
        namespace, outside = f"{self.name}n{host}", f"{self.name}v{host}"
        call("ip", "netns", "add", namespace)
        call("ip", "link", "add", outside, "type", "veth", "peer", "name", "eth0", "netns", namespace)
        call("ip", "link", "set", outside, "master", self.name, "up")
        call("ip", "-n", namespace, "addr", "add", f"{address}/24", "dev", "eth0")
        call("ip", "-n", namespace, "link", "set", "eth0", "up")
        call("ip", "-n", namespace, "link", "set", "lo", "up")
        if self.rate:
            bucket = ["rate", self.rate, "burst", "256k" if self.rate == "1gbit" else "2m", "latency", "50ms"]
            call("tc", "qdisc", "add", "dev", outside, "root", "tbf", *bucket)
            call("tc", "-n", namespace, "qdisc", "add", "dev", "eth0", "root", "tbf", *bucket)
        configuration = self.folder / f"sshd{host}"
        configuration.write_text(
            f"ListenAddress {address}\nHostKey {self.folder}/hostkey\nAuthorizedKeysFile {self.folder}/key.pub\n"
            f"StrictModes no\nPidFile {self.folder}/pid{host}\nPermitRootLogin yes\n", encoding="ascii")
        call(*self.inside(host), tool("sshd"), "-f", str(configuration))

    def inside(self, host):
        """What goes before a command that is to run on a host."""
        core = str((host - 1) % os.cpu_count())
        name = f'hostname bench{host}; exec "$@"'
        return ["taskset", "-c", core, tool("ip"), "netns", "exec", f"{self.name}n{host}",
                "unshare", "--uts", "sh", "-c", name, "sh"]

    @property
    def environment(self):
        """Variables by which mpirun finds the other hosts."""
        return {"OMPI_MCA_plm_rsh_agent": f"ssh -F {self.folder}/ssh"}

    @property
    def slots(self):
        return ",".join(f"{address}:1" for address in self.addresses)

    def gigabits(self, seconds=1.0):
        """What one TCP stream from host 1 to host 2 carries."""
        server = subprocess.Popen([*self.inside(2), "python3", "-c", RECEIVER, self.addresses[1]],
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        try:
            server.stdout.readline()
            call(*self.inside(1), "python3", "-c", SENDER, self.addresses[1], str(seconds))
            return float(server.stdout.readline()) / 1e9
        finally:
            server.kill()
            server.wait()


RECEIVER = """
import socket, sys, time
listener = socket.create_server((sys.argv[1], 5202))
print("ready", flush=True)
stream, total = listener.accept()[0], 0
start = time.perf_counter()
while part := stream.recv(1 << 20):
    total += len(part)
print(8 * total / (time.perf_counter() - start), flush=True)
"""
SENDER = """
import socket, sys, time
stream, end = socket.create_connection((sys.argv[1], 5202)), time.perf_counter() + float(sys.argv[2])
while time.perf_counter() < end:
    stream.sendall(bytes(1 << 18))
"""


def end_processes(namespace):
    """Ends what still runs in a namespace."""
    done = subprocess.run([tool("ip"), "netns", "pids", namespace], capture_output=True, text=True, check=False)
    for number in done.stdout.split():
        try:
            os.kill(int(number), signal.SIGKILL)
        except OSError:
            pass
    if done.stdout.strip():
        time.sleep(0.2)


def remove_all():
    """Removes what killed runs left; returns the names."""
    def named(*words):
        done = subprocess.run([tool("ip"), *words], capture_output=True, text=True, check=False)
        names = [line.replace(":", " ").split() for line in done.stdout.splitlines()]
        return [word.partition("@")[0] for line in names for word in line[:2] if word.startswith(PREFIX)]

    removed = []
    for namespace in named("netns", "list"):
        end_processes(namespace)
        call("ip", "netns", "del", namespace, must=False)
        removed.append(namespace)
    for link in named("-o", "link", "show"):
        call("ip", "link", "del", link, must=False)
        removed.append(link)
    return removed
