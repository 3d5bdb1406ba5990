// From what the command line says about keys to what opens a store.
//
// A store is opened by, in this order: --key-file, --passphrase-file, --recovery-key-file, the
// default key file of the store's id, or what a person types on the terminal.
#pragma once

#include <string>
#include <vector>

#include "app/environment.h"
#include "app/paths.h"
#include "reelfs/base/result.h"
#include "reelfs/crypto/keyring.h"

namespace reelfs::app {

struct KeyChoice {
    std::string key_file;
    std::string passphrase_file;
    std::string recovery_key_file;
    bool ask_passphrase = false;  // init --passphrase
    bool operator==(const KeyChoice&) const = default;
};

/// `forbidden`: directories a key file may not lie in. kWrongKey when no key is found at all.
Result<crypto::Unlock> find_unlock(Machine& machine, const Person& person, const StoreId& store,
                                   const KeyChoice& choice,
                                   const std::vector<std::string>& forbidden);

/// Wipes what opens a store.
void forget(crypto::Unlock& unlock);

/// 32 random bytes for a key file.
std::vector<std::byte> make_key(Machine& machine);

/// A key file being made for a new store. The bytes are on disk, under a name of their own, before
/// the store exists, so that a store whose key was never written cannot come about.
class NewKeyFile {
  public:
    /// Made at `path` at once (mode 0600; kExists when something is there), or, with an empty
    /// path, under a temporary name in `directory` until keep_as().
    static Result<NewKeyFile> create(Machine& machine, const std::string& path,
                                     const std::string& directory);
    NewKeyFile(NewKeyFile&& other) noexcept;
    NewKeyFile& operator=(NewKeyFile&&) = delete;
    /// Removes the file unless it was kept.
    ~NewKeyFile();

    const std::vector<std::byte>& content() const { return content_; }
    const std::string& path() const { return path_; }
    /// Renames it to its final path, unless it has that already, and syncs the directory.
    Result<void> keep_as(const std::string& path);

  private:
    NewKeyFile(Machine& machine, std::string path, std::vector<std::byte> content)
        : machine_(&machine), path_(std::move(path)), content_(std::move(content)) {}
    Machine* machine_;
    std::string path_;
    std::vector<std::byte> content_;
    bool kept_ = false;
};

/// The key file's bytes; kInvalid with the rule for a wrong length, and a warning on stderr when
/// others may read it.
Result<crypto::KeyFile> read_key_file(Machine& machine, const std::string& path);
/// The first line of a file.
Result<std::string> read_secret_line(Machine& machine, const std::string& path);
/// A first line that can be sent as a Bearer token (RFC 6750): 16 to 1024 visible characters.
Result<std::string> read_admin_token(Machine& machine, const std::string& path);

}  // namespace reelfs::app
