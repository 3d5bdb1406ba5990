// Who may authenticate over HTTP: users, each with one access key, and ingest tokens for encoders
// that cannot sign. Made and changed by the store's owner on the command line; asked by the HTTP
// door for each request.
//
// A user's secret is stored wrapped, because signatures can be verified with the secret only; a
// token is stored as a keyed hash. All rows are in memory (limits::users_max,
// limits::ingest_tokens_max), changed in commit order with the catalog, so that authenticating
// never waits for the disk and a change counts for the next request.
//
// Threads: every call is thread-safe. Those that change may block on disk, and are durable when
// they return; the finders never block.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "reelfs/base/clock.h"
#include "reelfs/base/result.h"
#include "reelfs/crypto/wrap.h"
#include "reelfs/model/principal.h"

namespace reelfs::core {

struct UserInfo {
    std::string name;
    std::string access_key_id;
    bool disabled = false;
    Timestamp created;
    Timestamp key_created;
};

/// A new access key. The secret is to be shown once.
struct IssuedKey {
    UserInfo user;
    crypto::SecretText secret;
};

struct TokenInfo {
    std::string id;
    Grant grant;
    Timestamp created;
    std::optional<Timestamp> expires;
};

/// A new token. What its holder presents is to be shown once.
struct IssuedToken {
    TokenInfo token;
    crypto::SecretText text;
};

class Accounts {
  public:
    virtual ~Accounts() = default;

    /// kInvalid (the name's rule in words), kExists, kQuota.
    virtual Result<IssuedKey> create_user(std::string_view name) = 0;
    virtual std::vector<UserInfo> users() const = 0;  // by name
    /// kNotFound, as all below.
    virtual Result<UserInfo> set_disabled(std::string_view name, bool disabled) = 0;
    virtual Result<void> delete_user(std::string_view name) = 0;
    /// A new access key id and secret; the old ones end now.
    virtual Result<IssuedKey> rotate_key(std::string_view name) = 0;

    /// Ends `lifetime_seconds` from now; 0: when it is revoked. kInvalid without an action, kQuota.
    virtual Result<IssuedToken> create_token(const Grant& grant,
                                             std::uint64_t lifetime_seconds) = 0;
    virtual std::vector<TokenInfo> tokens() const = 0;  // by id; those that have ended, too
    virtual Result<void> revoke_token(std::string_view id) = 0;

    /// Nothing for a key that is not there, or whose user is disabled.
    struct Holder {
        std::string user;
        crypto::SecretText secret;
    };
    virtual std::optional<Holder> find_key(std::string_view access_key_id) const = 0;
    /// Nothing for what is no token, was revoked, or has ended.
    virtual std::optional<TokenInfo> find_token(std::string_view text) const = 0;
};

}  // namespace reelfs::core
