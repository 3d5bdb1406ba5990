// Users and tokens without a store.
#pragma once

#include <map>
#include <string>

#include "reelfs/core/accounts.h"

namespace reelfs::http {

inline crypto::SecretText secret_text(std::string_view text) {
    crypto::SecretText secret(text.size());
    const Bytes bytes = bytes_of(text);
    std::copy(bytes.begin(), bytes.end(), secret.bytes().begin());
    return secret;
}

/// Filled before it is asked; changing it is not its business.
class FakeAccounts final : public core::Accounts {
  public:
    void add_user(const std::string& name, const std::string& key, const std::string& secret) {
        keys_[key] = {name, secret};
    }
    void add_token(const std::string& text, core::TokenInfo token) {
        tokens_[text] = std::move(token);
    }

    std::optional<Holder> find_key(std::string_view id) const override {
        const auto found = keys_.find(std::string(id));
        if (found == keys_.end()) return std::nullopt;
        return Holder{found->second.first, secret_text(found->second.second)};
    }
    std::optional<core::TokenInfo> find_token(std::string_view text) const override {
        const auto found = tokens_.find(std::string(text));
        if (found == tokens_.end()) return std::nullopt;
        return found->second;
    }

    Result<core::IssuedKey> create_user(std::string_view) override { return fixed(); }
    std::vector<core::UserInfo> users() const override { return {}; }
    Result<core::UserInfo> set_disabled(std::string_view, bool) override { return fixed(); }
    Result<void> delete_user(std::string_view) override { return fixed(); }
    Result<core::IssuedKey> rotate_key(std::string_view) override { return fixed(); }
    Result<core::IssuedToken> create_token(const Grant&, std::uint64_t) override { return fixed(); }
    std::vector<core::TokenInfo> tokens() const override { return {}; }
    Result<void> revoke_token(std::string_view) override { return fixed(); }

  private:
    static Error fixed() { return {Errc::kReadOnly, "these accounts are fixed"}; }
    std::map<std::string, std::pair<std::string, std::string>> keys_;
    std::map<std::string, core::TokenInfo> tokens_;
};

}  // namespace reelfs::http
