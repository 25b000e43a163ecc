// SPDX-License-Identifier: Apache-2.0
import Foundation

/// Whether tests may create hosts as network namespaces: needs root, iproute2 and openssh-server.
package let canMakeHosts =
  geteuid() == 0
  && ["/usr/sbin/sshd", "/usr/bin/ssh-keygen"].allSatisfy(FileManager.default.fileExists)
  && ["/sbin/ip", "/usr/sbin/ip", "/bin/ip", "/usr/bin/ip"]
    .contains(where: FileManager.default.fileExists)
  && succeeds("unshare", ["--mount", "--net", "true"])

/// Whether a test may mount file systems.
package let canMount: Bool = {
  guard geteuid() == 0, let folder = try? TemporaryFolder() else { return false }
  return succeeds("mount", ["-t", "tmpfs", "tmpfs", folder.path])
    && succeeds("umount", [folder.path])
}()

/// Whether a test may give a command its own `/dev/shm`.
package let canReplaceSharedMemory =
  geteuid() == 0
  && succeeds("unshare", ["--mount", "mount", "-t", "tmpfs", "tmpfs", "/dev/shm"])

/// Whether `iptables` is installed.
package let hasFirewall = succeeds("iptables", ["--version"])

/// Whether `python3` is installed.
package let hasPython = succeeds("python3", ["--version"])

private func succeeds(_ program: String, _ arguments: [String]) -> Bool {
  (try? run(program, arguments))?.status == 0
}
