#include "app/tls_files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "reelfs/base/fd.h"
#include "reelfs/http/self_signed.h"
#include "reelfs/http/server.h"

namespace reelfs::app {

namespace {

bool exists(const std::string& path) {
    struct stat status {};
    return ::lstat(path.c_str(), &status) == 0;
}

/// A name that is a link stays one: programs that renew certificates point it at each new file.
Result<std::string> absolute(const std::string& path) {
    const std::string lexical = lexical_path(path);
    RF_TRY(std::string folder, real_path(parent_path(lexical)));
    return folder + lexical.substr(lexical.rfind('/'));
}

Result<void> write_new_file(const std::string& path, std::string_view content, unsigned mode) {
    Fd file(::open(path.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, mode));
    if (!file) return Error::from_errno(errno, "make " + path);
    while (!content.empty()) {
        const ssize_t n = ::write(file.get(), content.data(), content.size());
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return Error::from_errno(errno, "write " + path);
        content.remove_prefix(static_cast<std::size_t>(n));
    }
    if (::fsync(file.get()) != 0) return Error::from_errno(errno, "sync " + path);
    return done();
}

/// What clients may call this machine.
std::vector<std::string> names_of_machine(const MountWords& words) {
    std::vector<std::string> names{"localhost", "127.0.0.1", "::1"};
    std::array<char, 256> host{};
    if (::gethostname(host.data(), host.size() - 1) == 0 && host[0] != '\0')
        names.emplace_back(host.data());
    const auto endpoint = http::parse_endpoint(words.https);
    if (endpoint && !http::is_loopback(*endpoint) && endpoint->address != "0.0.0.0" &&
        endpoint->address != "::")
        names.push_back(endpoint->address);
    return names;
}

Result<void> make_files(const MountWords& words) {
    RF_TRY(const auto made, http::make_self_signed(names_of_machine(words)));
    RF_CHECK(make_private_directories(parent_path(words.tls_key)));
    RF_CHECK(make_private_directories(parent_path(words.tls_certificate)));
    RF_CHECK(write_new_file(words.tls_key, made.key, 0600));
    return write_new_file(words.tls_certificate, made.certificate, 0644);
}

}  // namespace

Result<void> settle_tls(MountWords& words, const Person& person, const StoreId& store) {
    const bool named = !words.tls_certificate.empty() || !words.tls_key.empty();
    if (words.https.empty()) {
        if (named || words.tls_self_signed)
            return Error(Errc::kInvalid, "a certificate is of use with --https ADDR:PORT only");
        return done();
    }
    if (!named && words.tls_self_signed) {
        const std::string base = fmt::format("{}/{}.tls", key_directory(person), store.hex());
        words.tls_certificate = base + ".pem";
        words.tls_key = base + ".key";
    }
    if (words.tls_certificate.empty() || words.tls_key.empty())
        return Error(Errc::kInvalid,
                     "--https needs --tls-certificate FILE and --tls-key FILE, or "
                     "--tls-self-signed");
    RF_TRY(words.tls_certificate, absolute(words.tls_certificate));
    RF_TRY(words.tls_key, absolute(words.tls_key));
    if (words.tls_self_signed && !exists(words.tls_certificate) && !exists(words.tls_key))
        return make_files(words);
    return done();
}

}  // namespace reelfs::app
