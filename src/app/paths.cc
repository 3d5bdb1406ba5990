#include "app/paths.h"

#include <fmt/format.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>

namespace reelfs::app {

namespace {

std::string variable(const char* name) {
    const char* value = std::getenv(name);
    return value == nullptr ? "" : value;
}

/// XDG: a relative path in one of its variables must be ignored.
std::string or_default(const std::string& configured, const std::string& fallback) {
    return configured.starts_with('/') ? configured : fallback;
}

}  // namespace

Person current_person() {
    Person person{.uid = ::geteuid(),
                  .home = variable("HOME"),
                  .config_home = variable("XDG_CONFIG_HOME"),
                  .state_home = variable("XDG_STATE_HOME"),
                  .runtime_dir = variable("XDG_RUNTIME_DIR")};
    if (person.home.empty()) {
        if (const passwd* entry = ::getpwuid(person.uid)) person.home = entry->pw_dir;
    }
    return person;
}

std::string key_directory(const Person& person) {
    if (person.root()) return "/etc/reelfs/keys";
    return or_default(person.config_home, person.home + "/.config") + "/reelfs";
}

std::string default_key_file(const Person& person, const StoreId& store) {
    return fmt::format("{}/{}.key", key_directory(person), store.hex());
}

std::string default_log_file(const Person& person, const StoreId& store) {
    const std::string directory =
        person.root() ? "/var/log/reelfs"
                      : or_default(person.state_home, person.home + "/.local/state") + "/reelfs";
    return fmt::format("{}/{}.log", directory, store.hex());
}

std::optional<std::string> runtime_directory(const Person& person) {
    if (person.root()) return "/run/reelfs";
    if (person.runtime_dir.starts_with('/')) return person.runtime_dir + "/reelfs";
    return std::nullopt;
}

Result<std::string> real_path(const std::string& path) {
    std::error_code error;
    std::filesystem::path real =
        std::filesystem::weakly_canonical(std::filesystem::path(lexical_path(path)), error);
    if (error) return Error::from_errno(error.value(), "resolve " + path);
    return real.string();
}

std::string lexical_path(const std::string& path) {
    std::error_code error;
    std::filesystem::path absolute(path);
    if (absolute.is_relative()) absolute = std::filesystem::current_path(error) / absolute;
    std::string text = absolute.lexically_normal().string();
    while (text.size() > 1 && text.back() == '/') text.pop_back();
    return text;
}

bool is_inside(std::string_view path, std::string_view directory) {
    if (directory == "/") return path.starts_with('/');
    return path.starts_with(directory) &&
           (path.size() == directory.size() || path[directory.size()] == '/');
}

std::string parent_path(const std::string& path) {
    std::size_t slash = path.rfind('/');
    if (slash == std::string::npos) return ".";
    return slash == 0 ? "/" : path.substr(0, slash);
}

Result<void> check_key_place(const std::string& key_file, const std::vector<std::string>& places) {
    RF_TRY(std::string key, real_path(key_file));
    for (const std::string& place : places) {
        if (place.empty()) continue;
        RF_TRY(std::string real, real_path(place));
        if (is_inside(key, real)) return key_lies_inside(key_file, place);
    }
    return done();
}

Error key_lies_inside(const std::string& key_file, const std::string& place) {
    return {Errc::kInvalid,
            fmt::format("key file {} lies inside {}: whoever takes that takes the key too; keep it "
                        "elsewhere",
                        key_file, place)};
}

Result<void> make_directories(const std::string& path, unsigned mode) {
    if (path.empty() || path == "/") return done();
    struct stat status {};
    if (::stat(path.c_str(), &status) == 0) {
        if (S_ISDIR(status.st_mode)) return done();
        return Error(Errc::kNotDirectory, path + " is in the way: it is not a directory");
    }
    RF_CHECK(make_directories(parent_path(path), mode));
    if (::mkdir(path.c_str(), mode) == 0) {
        if (::chmod(path.c_str(), mode) == 0) return done();
        return Error::from_errno(errno, "set the mode of directory " + path);
    }
    return errno == EEXIST ? done() : Error::from_errno(errno, "make directory " + path);
}

Result<void> make_private_directories(const std::string& path) {
    return make_directories(path, 0700);
}

}  // namespace reelfs::app
