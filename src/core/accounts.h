// Accounts over the catalog, with all rows in memory.
#pragma once

#include <array>
#include <map>

#include "core/context.h"
#include "reelfs/base/mutex.h"
#include "reelfs/core/accounts.h"

namespace reelfs::core {

class AccountsImpl final : public Accounts {
  public:
    /// `key` is the keyring's for this; `context` outlives it.
    AccountsImpl(Context& context, const crypto::SecretKey& key);

    /// Once, before anybody asks.
    Result<void> load() EXCLUDES(mutex_);

    Result<IssuedKey> create_user(std::string_view name) override EXCLUDES(mutex_);
    std::vector<UserInfo> users() const override EXCLUDES(mutex_);
    Result<UserInfo> set_disabled(std::string_view name, bool disabled) override EXCLUDES(mutex_);
    Result<void> delete_user(std::string_view name) override EXCLUDES(mutex_);
    Result<IssuedKey> rotate_key(std::string_view name) override EXCLUDES(mutex_);
    Result<IssuedToken> create_token(const Grant& grant, std::uint64_t lifetime_seconds) override
        EXCLUDES(mutex_);
    std::vector<TokenInfo> tokens() const override EXCLUDES(mutex_);
    Result<void> revoke_token(std::string_view id) override EXCLUDES(mutex_);
    std::optional<Holder> find_key(std::string_view access_key_id) const override EXCLUDES(mutex_);
    std::optional<TokenInfo> find_token(std::string_view text) const override EXCLUDES(mutex_);

  private:
    using Hash = std::array<std::byte, 32>;

    /// Draws a key for `row`, wraps its secret into it, and returns the secret.
    crypto::SecretText draw_key(catalog::UserRow& row);
    Hash hash_of(std::string_view token) const;
    Result<catalog::UserRow> user(std::string_view name) const EXCLUDES(mutex_);
    Result<void> store_user(const catalog::UserRow& row, bool is_new) EXCLUDES(mutex_);
    void put(const catalog::UserRow& row) REQUIRES(mutex_);
    void remove(const std::string& name) REQUIRES(mutex_);
    void put(const catalog::TokenRow& row) REQUIRES(mutex_);

    Context& context_;
    const crypto::SecretKey wrapping_key_;
    const crypto::SecretKey token_key_;

    /// Taken inside the catalog's publication, so the catalog is never called under it.
    mutable SharedMutex mutex_;
    std::map<std::string, catalog::UserRow, std::less<>> users_ GUARDED_BY(mutex_);
    std::map<std::string, std::string, std::less<>> names_by_key_ GUARDED_BY(mutex_);
    std::map<Hash, TokenInfo> tokens_ GUARDED_BY(mutex_);
};

}  // namespace reelfs::core
