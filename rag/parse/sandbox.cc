#include "rag/parse/sandbox.h"

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>

#include "storage/concat.h"

namespace vouch {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kSanitized = true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif
#else
constexpr bool kSanitized = false;
#endif

absl::Status Limit(__rlimit_resource resource, const char* name, uint64_t value) {
  const rlimit limit{.rlim_cur = value, .rlim_max = value};
  if (::setrlimit(resource, &limit) == 0) return absl::OkStatus();
  return absl::InternalError(Concat("cannot limit ", name, " to ", value, ": ", std::strerror(errno)));
}

// Calls that a parser has no use for and an attacker has. They fail with EPERM.
constexpr uint32_t kDenied[] = {
    __NR_socket,        __NR_ptrace,          __NR_process_vm_readv, __NR_process_vm_writev, __NR_kill,
    __NR_tkill,         __NR_pidfd_send_signal, __NR_pidfd_getfd,    __NR_pidfd_open,        __NR_mount,
    __NR_umount2,       __NR_setns,           __NR_unshare,          __NR_bpf,               __NR_perf_event_open,
    __NR_userfaultfd,   __NR_io_uring_setup,  __NR_keyctl,           __NR_add_key,           __NR_request_key,
    __NR_personality,   __NR_init_module,     __NR_finit_module,     __NR_kexec_load,        __NR_reboot,
    __NR_swapon,        __NR_chroot,          __NR_pivot_root,       __NR_quotactl,          __NR_acct};

#if defined(__x86_64__)
constexpr uint32_t kArchitecture = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr uint32_t kArchitecture = AUDIT_ARCH_AARCH64;
#else
constexpr uint32_t kArchitecture = 0;
#endif

void DenyCalls() {
  if (kArchitecture == 0) return;
  constexpr size_t kCount = std::size(kDenied);
  constexpr uint32_t kDeny = SECCOMP_RET_ERRNO | EPERM;
  std::vector<sock_filter> program = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, arch)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kArchitecture, 1, 0),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
#if defined(__x86_64__)
      // Calls by the x32 numbering would pass the list by.
      BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 0x40000000, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
#endif
  };
  for (size_t i = 0; i < kCount; ++i) {
    // To the last instruction, over the rest of the list and the one that allows.
    program.push_back(
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kDenied[i], static_cast<uint8_t>(kCount - i), 0));
  }
  program.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
  program.push_back(BPF_STMT(BPF_RET | BPF_K, kDeny));
  const sock_fprog filter{.len = static_cast<unsigned short>(program.size()), .filter = program.data()};
  ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter);
}

// The accesses of Landlock's first version, which every kernel that has it knows.
constexpr uint64_t kReading = LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
constexpr uint64_t kAccess =
    kReading | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |
    LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG |
    LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_BLOCK |
    LANDLOCK_ACCESS_FS_MAKE_SYM;

void DenyFiles(const std::vector<std::string>& readable) {
  const landlock_ruleset_attr attributes{.handled_access_fs = kAccess};
  const int rules = static_cast<int>(::syscall(__NR_landlock_create_ruleset, &attributes, sizeof(attributes), 0));
  if (rules < 0) return;
  std::vector<std::string> paths = {"/usr", "/lib", "/lib64", "/bin", "/etc", "/proc/self", "/proc/meminfo", "/sys/devices/system/cpu", "/dev"};
  paths.insert(paths.end(), readable.begin(), readable.end());
  for (const std::string& path : paths) {
    const int folder = ::open(path.c_str(), O_PATH | O_CLOEXEC);
    if (folder < 0) continue;
    landlock_path_beneath_attr rule{.allowed_access = kReading, .parent_fd = folder};
    if (::syscall(__NR_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) != 0) {
      // Of a file only what a file has.
      rule.allowed_access = LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE;
      ::syscall(__NR_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
    }
    ::close(folder);
  }
  ::syscall(__NR_landlock_restrict_self, rules, 0);
  ::close(rules);
}

}  // namespace

bool SandboxLimitsMemory() { return !kSanitized; }

absl::Status EnterSandbox(const SandboxLimits& limits, const std::vector<std::string>& readable) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  ::prctl(PR_SET_DUMPABLE, 0);
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
    return absl::InternalError(Concat("cannot give up privileges: ", std::strerror(errno)));
  }
  // Sanitizers reserve far more addresses than any limit allows.
  if (SandboxLimitsMemory()) {
    if (absl::Status status = Limit(RLIMIT_AS, "memory", limits.memory_bytes); !status.ok()) return status;
  }
  for (const auto& [resource, name, value] :
       {std::tuple{RLIMIT_CPU, "processor time", limits.cpu_seconds},
        std::tuple{RLIMIT_FSIZE, "file size", limits.file_bytes}, std::tuple{RLIMIT_CORE, "core files", uint64_t{0}},
        std::tuple{RLIMIT_NOFILE, "open files", uint64_t{64}}}) {
    if (absl::Status status = Limit(resource, name, value); !status.ok()) return status;
  }
  DenyFiles(readable);
  DenyCalls();
  return absl::OkStatus();
}

}  // namespace vouch
