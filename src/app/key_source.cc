#include "app/key_source.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdio>
#include <span>

#include "app/prompt.h"

namespace reelfs::app {

namespace {
constexpr std::size_t kKeyFileBytesMin = 32;
constexpr std::size_t kKeyFileBytesMax = 4096;
constexpr std::size_t kNewKeyBytes = 32;
constexpr std::size_t kTokenBytesMin = 16;
constexpr std::size_t kTokenBytesMax = 1024;

bool others_may_read(const std::string& path) {
    struct stat status {};
    return ::stat(path.c_str(), &status) == 0 && (status.st_mode & 077) != 0;
}
}  // namespace

Result<crypto::KeyFile> read_key_file(Machine& machine, const std::string& path) {
    auto content = read_file(machine.disk, path, kKeyFileBytesMax);
    if (!content && content.error().code() == Errc::kNotFound)
        return Error(Errc::kNotFound, fmt::format("key file {} does not exist", path));
    if (!content && content.error().code() != Errc::kTooBig)
        return std::move(content).error().with("key file");
    if (!content || content->size() < kKeyFileBytesMin)
        return Error(Errc::kInvalid, fmt::format("{} is no key file: one has {} to {} bytes", path,
                                                 kKeyFileBytesMin, kKeyFileBytesMax));
    if (others_may_read(path))
        fmt::print(stderr, "reelfs: warning: others may read key file {}; run: chmod 600 {}\n",
                   path, path);
    return crypto::KeyFile{std::move(content).value()};
}

Result<std::string> read_secret_line(Machine& machine, const std::string& path) {
    auto content = read_file(machine.disk, path, kKeyFileBytesMax);
    if (!content) return std::move(content).error().with("read the secret");
    std::string text(text_of(*content));
    text.resize(std::min(text.size(), text.find('\n')));
    if (!text.empty() && text.back() == '\r') text.pop_back();
    if (text.empty())
        return Error(Errc::kInvalid, fmt::format("the first line of {} is empty", path));
    if (others_may_read(path))
        fmt::print(stderr, "reelfs: warning: others may read {}; run: chmod 600 {}\n", path, path);
    return text;
}

Result<std::string> read_admin_token(Machine& machine, const std::string& path) {
    RF_TRY(std::string token, read_secret_line(machine, path));
    const bool visible =
        std::all_of(token.begin(), token.end(), [](char c) { return c > 0x20 && c < 0x7f; });
    if (token.size() >= kTokenBytesMin && token.size() <= kTokenBytesMax && visible) return token;
    return Error(Errc::kInvalid,
                 fmt::format("the first line of {0} is no token: one has {1} to {2} visible "
                             "characters; to make one: head -c 24 /dev/urandom | base64 > {0}",
                             path, kTokenBytesMin, kTokenBytesMax));
}

Result<crypto::Unlock> find_unlock(Machine& machine, const Person& person, const StoreId& store,
                                   const KeyChoice& choice,
                                   const std::vector<std::string>& forbidden) {
    if (!choice.key_file.empty()) {
        RF_CHECK(check_key_place(choice.key_file, forbidden));
        RF_TRY(auto key, read_key_file(machine, choice.key_file));
        return crypto::Unlock(std::move(key));
    }
    if (!choice.passphrase_file.empty()) {
        RF_CHECK(check_key_place(choice.passphrase_file, forbidden));
        RF_TRY(auto text, read_secret_line(machine, choice.passphrase_file));
        return crypto::Unlock(crypto::Passphrase{std::move(text)});
    }
    if (!choice.recovery_key_file.empty()) {
        RF_TRY(auto text, read_secret_line(machine, choice.recovery_key_file));
        return crypto::Unlock(crypto::RecoveryKey{std::move(text)});
    }
    const std::string usual = default_key_file(person, store);
    RF_TRY(bool there, machine.disk.exists(usual));
    if (there) {
        RF_CHECK(check_key_place(usual, forbidden));
        RF_TRY(auto key, read_key_file(machine, usual));
        return crypto::Unlock(std::move(key));
    }
    if (!has_terminal())
        return Error(Errc::kWrongKey,
                     fmt::format("no key for store {}: {} does not exist; give --key-file, "
                                 "--passphrase-file or --recovery-key-file",
                                 store.hex(), usual));
    auto text = ask_passphrase(fmt::format("Passphrase of store {}: ", store.hex()));
    if (!text) return std::move(text).error();
    return crypto::Unlock(crypto::Passphrase{std::move(text).value()});
}

void forget(crypto::Unlock& unlock) {
    if (auto* phrase = std::get_if<crypto::Passphrase>(&unlock))
        crypto::wipe(std::as_writable_bytes(std::span(phrase->text)));
    if (auto* file = std::get_if<crypto::KeyFile>(&unlock)) crypto::wipe(file->content);
    if (auto* recovery = std::get_if<crypto::RecoveryKey>(&unlock))
        crypto::wipe(std::as_writable_bytes(std::span(recovery->text)));
}

std::vector<std::byte> make_key(Machine& machine) {
    std::vector<std::byte> key(kNewKeyBytes);
    machine.random.fill(key);
    return key;
}

Result<NewKeyFile> NewKeyFile::create(Machine& machine, const std::string& path,
                                      const std::string& directory) {
    std::string target = path;
    if (target.empty())
        target =
            fmt::format("{}/.new-{:016x}.key", directory, machine.random.integer<std::uint64_t>());
    RF_CHECK(make_private_directories(parent_path(target)));
    RF_TRY(auto file, machine.disk.open(target, OpenMode::kCreateNew));
    NewKeyFile made(machine, target, make_key(machine));
    RF_CHECK(file->write_at(0, Bytes(made.content_)));
    RF_CHECK(file->sync());
    RF_CHECK(machine.disk.sync_directory(parent_path(target)));
    return made;
}

NewKeyFile::NewKeyFile(NewKeyFile&& other) noexcept
    : machine_(other.machine_),
      path_(std::move(other.path_)),
      content_(std::move(other.content_)),
      kept_(std::exchange(other.kept_, true)) {}

NewKeyFile::~NewKeyFile() {
    if (kept_) return;
    if (auto removed = machine_->disk.remove(path_); !removed)
        fmt::print(stderr, "reelfs: warning: {}\n", removed.error().message());
}

Result<void> NewKeyFile::keep_as(const std::string& path) {
    kept_ = true;  // from here on the store needs it, whatever its name
    if (path != path_) {
        RF_CHECK(machine_->disk.rename(path_, path));
        path_ = path;
    }
    return machine_->disk.sync_directory(parent_path(path_));
}

}  // namespace reelfs::app
