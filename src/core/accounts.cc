// Users and tokens, see reelfs/core/accounts.h.
//
//     access key id   "RFAK" and 16 of A-Z 0-9
//     secret          40 of A-Z a-z 0-9: fits the user-information part of a URL unescaped
//     token           "rft_" ID "_" and 40 of A-Z a-z 0-9; ID: 10 of these
#include "core/accounts.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "reelfs/model/limits.h"

namespace reelfs::core {

using catalog::TokenRow;
using catalog::UserRow;

namespace {

constexpr std::size_t kUserNameMax = 64;
constexpr std::size_t kSecretCharacters = 40;
constexpr std::size_t kKeyIdCharacters = 16;
constexpr std::size_t kTokenIdCharacters = 10;
constexpr std::uint64_t kTokenSecondsMax = 100ull * 366 * 86'400;

Result<void> check_user_name(std::string_view name) {
    const bool good = !name.empty() && name.size() <= kUserNameMax &&
                      std::all_of(name.begin(), name.end(), [](char c) {
                          return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
                                 (c >= 'a' && c <= 'z') ||
                                 std::string_view("+=,.@_-").find(c) != std::string_view::npos;
                      });
    if (good) return done();
    return Error(
        Errc::kInvalid,
        fmt::format("\"{}\" is no user name; it has 1 to 64 of A-Z a-z 0-9 + = , . @ _ -", name));
}

Error no_user(std::string_view name) {
    return {Errc::kNotFound,
            fmt::format("there is no user \"{}\"; reelfs user list shows those that exist", name)};
}

UserInfo info_of(const UserRow& row) {
    return {.name = row.name,
            .access_key_id = row.access_key_id,
            .disabled = row.disabled,
            .created = row.created,
            .key_created = row.key_created};
}

Result<TokenInfo> info_of(const TokenRow& row) {
    RF_TRY(Components prefix, split_path(row.prefix));
    return TokenInfo{.id = row.id,
                     .grant = {row.container, std::move(prefix), row.actions},
                     .created = row.created,
                     .expires = row.expires};
}

}  // namespace

AccountsImpl::AccountsImpl(Context& context, const crypto::SecretKey& key)
    : context_(context),
      wrapping_key_(crypto::derive(key, "user secret", {})),
      token_key_(crypto::derive(key, "ingest token", {})) {}

Result<void> AccountsImpl::load() {
    std::vector<UserRow> users;
    std::vector<TokenRow> tokens;
    RF_CHECK(context_.catalog.read([&](catalog::Reader& r) -> Result<void> {
        std::vector<UserRow> step;
        do {
            RF_TRY(step, r.users_after(users.empty() ? "" : users.back().name,
                                       limits::catalog_step_rows_max));
            users.insert(users.end(), step.begin(), step.end());
        } while (!step.empty());
        std::vector<TokenRow> more;
        do {
            RF_TRY(more, r.tokens_after(tokens.empty() ? "" : tokens.back().id,
                                        limits::catalog_step_rows_max));
            tokens.insert(tokens.end(), more.begin(), more.end());
        } while (!more.empty());
        return done();
    }));
    WriteLock lock(mutex_);
    for (const UserRow& row : users) put(row);
    for (const TokenRow& row : tokens) put(row);
    return done();
}

void AccountsImpl::put(const UserRow& row) {
    remove(row.name);
    names_by_key_[row.access_key_id] = row.name;
    users_[row.name] = row;
}

void AccountsImpl::remove(const std::string& name) {
    const auto found = users_.find(name);
    if (found == users_.end()) return;
    names_by_key_.erase(found->second.access_key_id);
    users_.erase(found);
}

void AccountsImpl::put(const TokenRow& row) {
    // A prefix was checked when the token was made; one that cannot be read grants nothing.
    if (auto info = info_of(row)) tokens_[row.hash] = *std::move(info);
}

crypto::SecretText AccountsImpl::draw_key(UserRow& row) {
    const crypto::SecretText id = crypto::random_text(kKeyIdCharacters, context_.random);
    row.access_key_id = "RFAK";
    for (char c : id.view())
        row.access_key_id.push_back(static_cast<char>(std::toupper(static_cast<unsigned char>(c))));
    row.key_created = context_.clock.now();
    crypto::SecretText secret = crypto::random_text(kSecretCharacters, context_.random);
    // Bound to its id, so that rows cannot be exchanged.
    row.wrapped_secret =
        crypto::wrap(wrapping_key_, bytes_of(row.access_key_id), secret.view(), context_.random);
    return secret;
}

AccountsImpl::Hash AccountsImpl::hash_of(std::string_view token) const {
    const crypto::SecretKey hashed = crypto::derive(token_key_, "token", bytes_of(token));
    Hash hash{};
    std::copy(hashed.view().begin(), hashed.view().end(), hash.begin());
    return hash;
}

Result<UserRow> AccountsImpl::user(std::string_view name) const {
    ReadLock lock(mutex_);
    const auto found = users_.find(name);
    if (found == users_.end()) return no_user(name);
    return found->second;
}

Result<void> AccountsImpl::store_user(const UserRow& row, bool is_new) {
    RF_CHECK(context_.check_writable());
    auto stored = context_.catalog.write(
        [&](catalog::Writer& w) { return is_new ? w.insert_user(row) : w.update_user(row); },
        [&] {
            WriteLock lock(mutex_);
            put(row);
        });
    if (!stored && stored.error().code() == Errc::kNotFound) return no_user(row.name);
    RF_CHECK(std::move(stored));
    return context_.catalog.sync();
}

Result<IssuedKey> AccountsImpl::create_user(std::string_view name) {
    RF_CHECK(check_user_name(name));
    {
        ReadLock lock(mutex_);
        if (users_.size() >= limits::users_max)
            return Error(Errc::kQuota, fmt::format("a store has at most {} users; delete those "
                                                   "that are no longer needed",
                                                   limits::users_max));
    }
    UserRow row;
    row.name = name;
    row.created = context_.clock.now();
    crypto::SecretText secret = draw_key(row);
    RF_CHECK(store_user(row, true));
    return IssuedKey{info_of(row), std::move(secret)};
}

std::vector<UserInfo> AccountsImpl::users() const {
    ReadLock lock(mutex_);
    std::vector<UserInfo> infos;
    for (const auto& entry : users_) infos.push_back(info_of(entry.second));
    return infos;
}

Result<UserInfo> AccountsImpl::set_disabled(std::string_view name, bool disabled) {
    RF_TRY(UserRow row, user(name));
    row.disabled = disabled;
    RF_CHECK(store_user(row, false));
    return info_of(row);
}

Result<void> AccountsImpl::delete_user(std::string_view name) {
    RF_CHECK(context_.check_writable());
    auto deleted = context_.catalog.write([&](catalog::Writer& w) { return w.delete_user(name); },
                                          [&] {
                                              WriteLock lock(mutex_);
                                              remove(std::string(name));
                                          });
    if (!deleted && deleted.error().code() == Errc::kNotFound) return no_user(name);
    RF_CHECK(std::move(deleted));
    return context_.catalog.sync();
}

Result<IssuedKey> AccountsImpl::rotate_key(std::string_view name) {
    RF_TRY(UserRow row, user(name));
    crypto::SecretText secret = draw_key(row);
    RF_CHECK(store_user(row, false));
    return IssuedKey{info_of(row), std::move(secret)};
}

Result<IssuedToken> AccountsImpl::create_token(const Grant& grant, std::uint64_t lifetime_seconds) {
    RF_CHECK(context_.check_writable());
    if (grant.actions.empty())
        return Error(Errc::kInvalid, "a token without an action is good for nothing");
    if (lifetime_seconds > kTokenSecondsMax)
        return Error(Errc::kInvalid, "a token lives at most 100 years; or make one without end");
    const Timestamp now = context_.clock.now();
    {
        ReadLock lock(mutex_);
        if (tokens_.size() >= limits::ingest_tokens_max)
            return Error(Errc::kQuota, fmt::format("a store has at most {} tokens; revoke those "
                                                   "that are no longer needed",
                                                   limits::ingest_tokens_max));
    }
    TokenRow row;
    row.id = crypto::random_text(kTokenIdCharacters, context_.random).view();
    const crypto::SecretText secret = crypto::random_text(kSecretCharacters, context_.random);
    crypto::SecretText text(4 + row.id.size() + 1 + secret.view().size());
    fmt::format_to(reinterpret_cast<char*>(text.bytes().data()), "rft_{}_{}", row.id,
                   secret.view());
    row.hash = hash_of(text.view());
    row.container = grant.container;
    for (const std::string& name : grant.prefix) {
        RF_CHECK(check_component(name));
        row.prefix.append(row.prefix.empty() ? "" : "/").append(name);
    }
    row.actions = grant.actions;
    row.created = now;
    if (lifetime_seconds > 0)
        row.expires =
            Timestamp{now.ns + static_cast<std::int64_t>(lifetime_seconds) * 1'000'000'000};
    RF_CHECK(context_.catalog.write([&](catalog::Writer& w) { return w.insert_token(row); },
                                    [&] {
                                        WriteLock lock(mutex_);
                                        put(row);
                                    }));
    RF_CHECK(context_.catalog.sync());
    RF_TRY(TokenInfo info, info_of(row));
    return IssuedToken{std::move(info), std::move(text)};
}

std::vector<TokenInfo> AccountsImpl::tokens() const {
    std::vector<TokenInfo> infos;
    {
        ReadLock lock(mutex_);
        for (const auto& entry : tokens_) infos.push_back(entry.second);
    }
    std::sort(infos.begin(), infos.end(),
              [](const TokenInfo& a, const TokenInfo& b) { return a.id < b.id; });
    return infos;
}

Result<void> AccountsImpl::revoke_token(std::string_view id) {
    RF_CHECK(context_.check_writable());
    auto revoked = context_.catalog.write(
        [&](catalog::Writer& w) { return w.delete_token(id); },
        [&] {
            WriteLock lock(mutex_);
            std::erase_if(tokens_, [&](const auto& entry) { return entry.second.id == id; });
        });
    if (!revoked && revoked.error().code() == Errc::kNotFound)
        return Error(
            Errc::kNotFound,
            fmt::format("there is no token \"{}\"; reelfs token list shows those that exist", id));
    RF_CHECK(std::move(revoked));
    return context_.catalog.sync();
}

std::optional<Accounts::Holder> AccountsImpl::find_key(std::string_view access_key_id) const {
    std::string name;
    std::vector<std::byte> wrapped;
    {
        ReadLock lock(mutex_);
        const auto key = names_by_key_.find(access_key_id);
        if (key == names_by_key_.end()) return std::nullopt;
        const UserRow& row = users_.find(key->second)->second;
        if (row.disabled) return std::nullopt;
        name = row.name;
        wrapped = row.wrapped_secret;
    }
    auto secret = crypto::unwrap(wrapping_key_, bytes_of(access_key_id), wrapped);
    if (!secret) return std::nullopt;  // load() would have to be given another store's rows
    return Holder{std::move(name), *std::move(secret)};
}

std::optional<TokenInfo> AccountsImpl::find_token(std::string_view text) const {
    const Hash hash = hash_of(text);
    ReadLock lock(mutex_);
    const auto found = tokens_.find(hash);
    if (found == tokens_.end()) return std::nullopt;
    const TokenInfo& token = found->second;
    if (token.expires && context_.clock.now() >= *token.expires) return std::nullopt;
    return token;
}

}  // namespace reelfs::core
