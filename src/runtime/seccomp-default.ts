import { HARMLESS_DEVICES } from '../base/devices.ts';
import type { SeccompProfile, SeccompRule } from './seccomp.ts';

/** Allowed to everybody, by what the calls are about. */
const FREE = `
  read write readv writev pread64 pwrite64 preadv pwritev preadv2 pwritev2 lseek _llseek
  open openat openat2 creat close close_range dup dup2 dup3 pipe pipe2 fcntl fcntl64 ioctl flock
  sendfile sendfile64 splice tee vmsplice copy_file_range readahead fadvise64 fadvise64_64
  sync syncfs fsync fdatasync sync_file_range fallocate truncate truncate64 ftruncate ftruncate64
  stat stat64 lstat lstat64 fstat fstat64 fstatat64 newfstatat statx statfs statfs64 fstatfs fstatfs64
  access faccessat faccessat2 getdents getdents64 getcwd chdir fchdir umask readlink readlinkat
  mkdir mkdirat rmdir link linkat symlink symlinkat unlink unlinkat rename renameat renameat2
  chmod fchmod fchmodat fchmodat2 chown chown32 fchown fchown32 lchown lchown32 fchownat
  utime utimes futimesat utimensat utimensat_time64 name_to_handle_at statmount listmount cachestat
  setxattr lsetxattr fsetxattr setxattrat getxattr lgetxattr fgetxattr getxattrat
  listxattr llistxattr flistxattr listxattrat removexattr lremovexattr fremovexattr removexattrat
  inotify_init inotify_init1 inotify_add_watch inotify_rm_watch fanotify_mark
  select _newselect pselect6 pselect6_time64 poll ppoll ppoll_time64
  epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_wait epoll_wait_old epoll_pwait epoll_pwait2
  eventfd eventfd2 signalfd signalfd4 timerfd_create timerfd_gettime timerfd_gettime64
  timerfd_settime timerfd_settime64
  io_setup io_destroy io_submit io_cancel io_getevents io_pgetevents io_pgetevents_time64
  brk mmap mmap2 munmap mremap mprotect madvise mincore msync mlock mlock2 mlockall munlock munlockall mseal
  membarrier memfd_create memfd_secret remap_file_pages map_shadow_stack pkey_alloc pkey_free pkey_mprotect
  shmget shmat shmdt shmctl semget semop semctl semtimedop semtimedop_time64 msgget msgsnd msgrcv msgctl ipc
  mq_open mq_unlink mq_getsetattr mq_notify mq_timedreceive mq_timedreceive_time64 mq_timedsend
  mq_timedsend_time64
  socketcall socketpair bind connect listen accept accept4 getsockname getpeername getsockopt setsockopt
  shutdown send sendto sendmsg sendmmsg recv recvfrom recvmsg recvmmsg recvmmsg_time64
  fork vfork execve execveat exit exit_group wait4 waitid waitpid pause restart_syscall
  getpid getppid gettid getpgid setpgid getpgrp getsid setsid set_tid_address pidfd_open pidfd_send_signal
  getuid getuid32 geteuid geteuid32 getgid getgid32 getegid getegid32 getresuid getresuid32
  getresgid getresgid32 getgroups getgroups32 setuid setuid32 setgid setgid32 setreuid setreuid32
  setregid setregid32 setresuid setresuid32 setresgid setresgid32 setfsuid setfsuid32 setfsgid setfsgid32
  setgroups setgroups32 capget capset prctl seccomp uname sysinfo
  landlock_create_ruleset landlock_add_rule landlock_restrict_self
  kill tkill tgkill sigaltstack sigprocmask sigreturn rt_sigaction rt_sigpending rt_sigprocmask
  rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_sigtimedwait_time64 rt_tgsigqueueinfo
  futex futex_time64 futex_wait futex_waitv futex_wake futex_requeue set_robust_list get_robust_list rseq
  set_thread_area get_thread_area uretprobe riscv_hwprobe process_mrelease
  getrlimit ugetrlimit setrlimit prlimit64 getrusage times getpriority setpriority ioprio_get ioprio_set
  sched_yield sched_getaffinity sched_setaffinity sched_getattr sched_setattr sched_getparam sched_setparam
  sched_getscheduler sched_setscheduler sched_get_priority_max sched_get_priority_min
  sched_rr_get_interval sched_rr_get_interval_time64 getcpu getrandom
  time gettimeofday adjtimex clock_gettime clock_gettime64 clock_getres clock_getres_time64
  clock_adjtime clock_adjtime64 clock_nanosleep clock_nanosleep_time64 nanosleep alarm
  getitimer setitimer timer_create timer_delete timer_getoverrun timer_gettime timer_gettime64
  timer_settime timer_settime64
  ptrace process_vm_readv process_vm_writev`;

/** Allowed with a capability (any of a row's). */
const WITH_CAPABILITY: Readonly<Record<string, string>> = {
  CAP_DAC_READ_SEARCH: 'open_by_handle_at',
  CAP_SYS_ADMIN: `bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie
    lsm_get_self_attr lsm_list_modules lsm_set_self_attr mount mount_setattr move_mount open_tree
    perf_event_open quotactl quotactl_fd setdomainname sethostname setns syslog umount umount2 unshare`,
  CAP_SYS_BOOT: 'reboot',
  CAP_SYS_CHROOT: 'chroot',
  CAP_SYS_MODULE: 'delete_module init_module finit_module',
  CAP_SYS_PACCT: 'acct',
  CAP_SYS_PTRACE: 'kcmp pidfd_getfd process_madvise',
  CAP_SYS_RAWIO: 'iopl ioperm',
  CAP_SYS_TIME: 'settimeofday stime clock_settime clock_settime64',
  CAP_SYS_TTY_CONFIG: 'vhangup',
  CAP_SYS_NICE: 'get_mempolicy mbind set_mempolicy set_mempolicy_home_node',
  CAP_SYSLOG: 'syslog',
  CAP_BPF: 'bpf',
  CAP_PERFMON: 'perf_event_open',
};

/** Allowed on some architectures (Go's names for them). */
const ON_ARCHITECTURE: readonly (readonly [arches: readonly string[], names: string])[] = [
  [['amd64', 'x32'], 'arch_prctl'],
  [['amd64', 'x32', 'x86'], 'modify_ldt'],
  [['arm', 'arm64'], 'arm_fadvise64_64 arm_sync_file_range sync_file_range2 breakpoint cacheflush set_tls'],
];

/** All address families but the virtual-machine socket (40), AF_ALG (38) and what nobody needs. */
const SOCKET_FAMILIES = [
  13, 14, 15, 16, 17, 18, 21, 22, 24, 26, 27, 28, 29, 30, 31, 32, 33, 35, 36, 39,
].concat([41, 42, 43, 44, 45]);
const FIRST_FAMILIES = 12;
/** PER_LINUX, PER_LINUX32, UNAME26 of both, and the question for the present one. */
const PERSONALITIES = [0x0, 0x8, 0x20000, 0x20008, 0xffff_ffff];
/** CLONE_NEWNS | NEWCGROUP | NEWUTS | NEWIPC | NEWUSER | NEWPID | NEWNET */
const NEW_NAMESPACES = 0x7e02_0000;
const ENOSYS = 38;

const words = (text: string) => text.trim().split(/\s+/);

function argument(name: string, op: string, value: number, valueTwo = 0): SeccompRule {
  return { names: [name], action: 'SCMP_ACT_ALLOW', args: [{ index: 0, value, valueTwo, op }] };
}

/** Type bits of a mode (inode(7)): none, which means a file, FIFO, file, socket; and a character device. */
const TYPE_MASK = 0o170000;
const PLAIN_TYPES = [0, 0o010000, 0o100000, 0o140000];
const CHARACTER = 0o020000;
/** Their numbers as mknod takes them. */
const HARMLESS = HARMLESS_DEVICES.map(([major, minor]) => (major << 8) | minor);

/**
 * No device of the machine can be made: then those that are made may work, as tools that bootstrap a system expect. All
 * arguments are numbers, so nothing can change between the test and the call.
 */
function mknodRules(): SeccompRule[] {
  const calls = [
    ['mknod', 1],
    ['mknodat', 2],
  ] as const;
  return calls.flatMap(([name, mode]) => {
    const type = (value: number) =>
      ({ index: mode, value: TYPE_MASK, valueTwo: value, op: 'SCMP_CMP_MASKED_EQ' }) as const;
    const rule = (...args: NonNullable<SeccompRule['args']>): SeccompRule => ({
      names: [name],
      action: 'SCMP_ACT_ALLOW',
      args,
    });
    const device = (value: number) => ({ index: mode + 1, value, op: 'SCMP_CMP_EQ' });
    return [
      ...PLAIN_TYPES.map((value) => rule(type(value))),
      ...HARMLESS.map((value) => rule(type(CHARACTER), device(value))),
    ];
  });
}

/** Everything but devices of the machine: what goes with no profile, or with one of somebody else's. */
export function devicesProfile(): SeccompProfile {
  const others = { names: ['mknod', 'mknodat'], action: 'SCMP_ACT_ERRNO' };
  return { defaultAction: 'SCMP_ACT_ALLOW', syscalls: [...mknodRules(), others] };
}

/** The facts of Docker's default profile (moby/profiles, seccomp/default.json), in the form of a profile file. */
export function defaultProfile(devices: 'harmless' | 'any' = 'harmless'): SeccompProfile {
  const allow = 'SCMP_ACT_ALLOW';
  const withoutAdmin = { caps: ['CAP_SYS_ADMIN'] };
  return {
    defaultAction: 'SCMP_ACT_ERRNO',
    defaultErrnoRet: 1,
    syscalls: [
      { names: words(FREE), action: allow },
      ...Object.entries(WITH_CAPABILITY).map(([capability, names]) => {
        return { names: words(names), action: allow, includes: { caps: [capability] } };
      }),
      ...ON_ARCHITECTURE.map(([arches, names]) => ({
        names: words(names),
        action: allow,
        includes: { arches },
      })),
      ...(devices === 'any' ? [{ names: ['mknod', 'mknodat'], action: allow }] : mknodRules()),
      argument('socket', 'SCMP_CMP_LT', FIRST_FAMILIES),
      ...SOCKET_FAMILIES.map((family) => argument('socket', 'SCMP_CMP_EQ', family)),
      ...PERSONALITIES.map((value) => argument('personality', 'SCMP_CMP_EQ', value)),
      { ...argument('clone', 'SCMP_CMP_MASKED_EQ', NEW_NAMESPACES), excludes: withoutAdmin },
      // With ENOSYS the C library falls back to clone, whose flags can be looked at.
      { names: ['clone3'], action: 'SCMP_ACT_ERRNO', errnoRet: ENOSYS, excludes: withoutAdmin },
    ],
  };
}
