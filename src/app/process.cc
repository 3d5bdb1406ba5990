#include "app/process.h"

#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <filesystem>
#include <fstream>

#include "reelfs/base/log.h"

#ifndef PR_SET_IO_FLUSHER
#define PR_SET_IO_FLUSHER 57
#endif

namespace reelfs::app {

namespace {

constexpr rlim_t kOpenFilesWanted = 1024 * 1024;
constexpr rlim_t kLockedBytesWanted = 64 * 1024 * 1024;  // keys stay out of swap

/// Root may raise the upper limit too; anybody may use what he has.
void raise_limit(__rlimit_resource_t resource, rlim_t at_least) {
    rlimit limit{};
    if (::getrlimit(resource, &limit) != 0) return;
    const rlim_t allowed = limit.rlim_max;
    const rlim_t wanted = std::max(allowed, at_least);  // RLIM_INFINITY is the greatest
    limit = {.rlim_cur = wanted, .rlim_max = wanted};
    if (::setrlimit(resource, &limit) == 0) return;
    limit = {.rlim_cur = allowed, .rlim_max = allowed};
    if (::setrlimit(resource, &limit) != 0)
        log::warning("resource limit {} could not be raised to {}", static_cast<int>(resource),
                     allowed);
}

}  // namespace

void harden_process() {
    ::umask(077);
    if (::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) log::warning("PR_SET_DUMPABLE was refused");
    raise_limit(RLIMIT_NOFILE, kOpenFilesWanted);
    raise_limit(RLIMIT_MEMLOCK, kLockedBytesWanted);
    // Needs CAP_SYS_RESOURCE: an ordinary user goes without.
    ::prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0);
}

Result<Fd> take_signals() {
    ::signal(SIGPIPE, SIG_IGN);
    sigset_t signals;
    ::sigemptyset(&signals);
    for (int number : {SIGTERM, SIGINT, SIGHUP}) ::sigaddset(&signals, number);
    if (::pthread_sigmask(SIG_BLOCK, &signals, nullptr) != 0)
        return Error(Errc::kIo, "block signals");
    Fd descriptor(::signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
    if (!descriptor) return Error::from_errno(errno, "make a signal descriptor");
    return descriptor;
}

std::string process_metrics() {
    std::uint64_t total_pages = 0, resident_pages = 0;
    std::ifstream("/proc/self/statm") >> total_pages >> resident_pages;
    std::error_code error;
    std::size_t descriptors = 0;
    for (std::filesystem::directory_iterator fd("/proc/self/fd", error), end; !error && fd != end;
         fd.increment(error))
        ++descriptors;
    return fmt::format(
        "# HELP process_resident_memory_bytes Memory of the process that is in RAM.\n"
        "# TYPE process_resident_memory_bytes gauge\n"
        "process_resident_memory_bytes {}\n"
        "# HELP process_open_fds Open file descriptors of the process.\n"
        "# TYPE process_open_fds gauge\n"
        "process_open_fds {}\n"
        "# HELP reelfs_build_info The running version.\n"
        "# TYPE reelfs_build_info gauge\n"
        "reelfs_build_info{{version=\"{}\"}} 1\n",
        resident_pages * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE)), descriptors,
        REELFS_VERSION);
}

}  // namespace reelfs::app
