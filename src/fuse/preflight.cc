#include "fuse/preflight.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <memory>

#include "reelfs/base/fd.h"

namespace reelfs::fuse {
namespace {

constexpr const char* kDevice = "/dev/fuse";
constexpr const char* kConf = "/etc/fuse.conf";

Error path_error(int error_number, const std::string& path) {
    switch (error_number) {
        case ENOENT:
            return {Errc::kNotFound, "mountpoint " + path + " does not exist; make it with mkdir"};
        case ENOTDIR:
            return {Errc::kNotDirectory, "mountpoint " + path + " is not a directory"};
        case ENOTCONN:
            return {Errc::kBusy, "mountpoint " + path +
                                     " holds a mount whose process has died; clear it with: "
                                     "reelfs umount --force " +
                                     path};
        default:
            return Error::from_errno(error_number, "mountpoint " + path);
    }
}

Result<bool> is_empty(const std::string& path) {
    struct Close {
        void operator()(DIR* directory) const { closedir(directory); }
    };
    std::unique_ptr<DIR, Close> directory(opendir(path.c_str()));
    if (!directory) return path_error(errno, path);
    while (const dirent* entry = ::readdir(directory.get())) {
        std::string_view name = entry->d_name;
        if (name != "." && name != "..") return false;
    }
    return true;
}

bool is_program(const std::string& path) {
    struct stat status {};
    return stat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode) &&
           ::access(path.c_str(), X_OK) == 0;
}

bool have_fusermount() {
    const char* variable = std::getenv("PATH");
    std::string folders = "/usr/bin:/bin:/usr/local/bin";
    if (variable) folders.append(":").append(variable);
    for (std::size_t start = 0; start <= folders.size();) {
        std::size_t end = std::min(folders.find(':', start), folders.size());
        if (is_program(folders.substr(start, end - start) + "/fusermount3")) return true;
        start = end + 1;
    }
    return false;
}

void append(std::string& list, std::string_view option) {
    if (!list.empty()) list.push_back(',');
    list.append(option);
}

std::string escaped(std::string_view value) {
    std::string out;
    for (char c : value) {
        if (c == ',' || c == '\\') out.push_back('\\');
        out.push_back(c);
    }
    return out;
}

}  // namespace

Result<void> check_mountpoint(const std::string& path) {
    if (path.empty() || path.front() != '/') {
        return Error(Errc::kInvalid, "mountpoint \"" + path + "\" is not an absolute path");
    }
    struct stat status {};
    if (stat(path.c_str(), &status) != 0) return path_error(errno, path);
    if (!S_ISDIR(status.st_mode)) return path_error(ENOTDIR, path);
    RF_TRY(bool empty, is_empty(path));
    if (!empty) {
        return Error(Errc::kNotEmpty, "mountpoint " + path +
                                          " is not empty, and a mount would hide what is in it; "
                                          "use an empty directory");
    }
    return done();
}

Error device_error(int error_number, bool as_root) {
    switch (error_number) {
        case ENOENT:
        case ENODEV:
        case ENXIO:
            return {Errc::kNotFound,
                    "/dev/fuse is missing: load the kernel module with `modprobe fuse`, or start "
                    "the container with `--device /dev/fuse --cap-add SYS_ADMIN`"};
        case EACCES:
        case EPERM:
            if (as_root) {
                return {Errc::kAccessDenied,
                        "/dev/fuse may not be opened here, even by root: start the container with "
                        "`--device /dev/fuse --cap-add SYS_ADMIN`"};
            }
            return {Errc::kAccessDenied,
                    "/dev/fuse may not be opened by this user: run as root, or install the udev "
                    "rule KERNEL==\"fuse\", MODE=\"0666\" (package fuse3)"};
        default:
            return Error::from_errno(error_number, kDevice);
    }
}

Result<void> check_device(bool as_root) {
    Fd device(::open(kDevice, O_RDWR | O_CLOEXEC));
    if (!device) return device_error(errno, as_root);
    if (as_root || have_fusermount()) return done();
    return Error(Errc::kNotFound,
                 "fusermount3 is missing, without which only root can mount: install the package "
                 "fuse3");
}

bool conf_allows_other(std::string_view conf) {
    constexpr std::string_view kBlanks = " \t\r";
    while (!conf.empty()) {
        std::size_t end = std::min(conf.find('\n'), conf.size());
        std::string_view line = conf.substr(0, end);
        conf.remove_prefix(std::min(end + 1, conf.size()));
        line = line.substr(0, line.find('#'));
        std::size_t first = line.find_first_not_of(kBlanks);
        if (first == std::string_view::npos) continue;
        line = line.substr(first, line.find_last_not_of(kBlanks) - first + 1);
        if (line == "user_allow_other") return true;
    }
    return false;
}

Result<void> check_allow_other(const MountOptions& options, bool as_root) {
    if (!options.allow_other || as_root) return done();
    std::ifstream file(kConf);
    std::string conf{std::istreambuf_iterator<char>(file), {}};
    if (conf_allows_other(conf)) return done();
    return Error(Errc::kNotPermitted,
                 "-o allow_other is for root, unless root puts the line user_allow_other into "
                 "/etc/fuse.conf");
}

std::string option_string(const MountOptions& options) {
    std::string list;
    append(list, "fsname=" + escaped(options.source));
    append(list, "subtype=reelfs");
    if (options.default_permissions) append(list, "default_permissions");
    if (options.allow_other) append(list, "allow_other");
    append(list, options.read_only ? "ro" : "rw");
    append(list, options.nosuid ? "nosuid" : "suid");
    append(list, options.nodev ? "nodev" : "dev");
    if (options.noexec) append(list, "noexec");
    for (const std::string& other : options.other) append(list, other);
    return list;
}

}  // namespace reelfs::fuse
