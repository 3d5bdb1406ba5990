// Statements on users and ingest tokens, see access_table.h.
#include "catalog/access_table.h"

#include <fmt/format.h>

namespace reelfs::catalog {

namespace {

UserRow user_row(const Query& query) {
    return {.name = query.text(0),
            .access_key_id = query.text(1),
            .wrapped_secret = copy_of(query.bytes(2)),
            .disabled = query.integer(3) != 0,
            .created = Timestamp{query.integer(4)},
            .key_created = Timestamp{query.integer(5)}};
}

Result<TokenRow> token_row(const Query& query) {
    TokenRow row{.id = query.text(0),
                 .hash = {},
                 .container = ContainerId(query.as<std::uint64_t>(2)),
                 .prefix = query.text(3),
                 .actions = ActionSet::of_bits(query.as<std::uint32_t>(4)),
                 .created = Timestamp{query.integer(5)},
                 .expires = {}};
    const Bytes hash = query.bytes(1);
    if (hash.size() != row.hash.size())
        return Error(Errc::kCorrupt, "a token's hash has not the length of one");
    std::copy(hash.begin(), hash.end(), row.hash.begin());
    if (!query.null(6)) row.expires = Timestamp{query.integer(6)};
    return row;
}

}  // namespace

UserTable::UserTable(Database& database)
    : after_(database,
             "SELECT name, access_key, secret, disabled, created, key_created FROM user "
             "WHERE name > ?1 ORDER BY name LIMIT ?2"),
      find_(database, "SELECT 1 FROM user WHERE name = ?1"),
      insert_(database,
              "INSERT INTO user(name, access_key, secret, disabled, created, key_created) "
              "VALUES (?1, ?2, ?3, ?4, ?5, ?6)"),
      update_(database,
              "UPDATE user SET access_key = ?2, secret = ?3, disabled = ?4, created = ?5, "
              "key_created = ?6 WHERE name = ?1"),
      remove_(database, "DELETE FROM user WHERE name = ?1") {}

Result<std::vector<UserRow>> UserTable::after(std::string_view after, int limit) {
    Query query(after_, after, limit);
    std::vector<UserRow> rows;
    while (true) {
        RF_TRY(bool found, query.step());
        if (!found) return rows;
        rows.push_back(user_row(query));
    }
}

Result<void> UserTable::insert(const UserRow& row) {
    {
        Query query(find_, row.name);
        RF_TRY(bool taken, query.step());
        if (taken) return Error(Errc::kExists, fmt::format("user {} exists already", row.name));
    }
    Query query(insert_, row.name, row.access_key_id, Bytes(row.wrapped_secret), row.disabled,
                row.created.ns, row.key_created.ns);
    RF_TRY([[maybe_unused]] int changed, query.run());
    return done();
}

Result<void> UserTable::update(const UserRow& row) {
    Query query(update_, row.name, row.access_key_id, Bytes(row.wrapped_secret), row.disabled,
                row.created.ns, row.key_created.ns);
    RF_TRY(int changed, query.run());
    if (changed == 0) return Error(Errc::kNotFound, fmt::format("no user {}", row.name));
    return done();
}

Result<void> UserTable::remove(std::string_view name) {
    Query query(remove_, name);
    RF_TRY(int changed, query.run());
    if (changed == 0) return Error(Errc::kNotFound, fmt::format("no user {}", name));
    return done();
}

TokenTable::TokenTable(Database& database)
    : after_(database,
             "SELECT id, hash, container, prefix, actions, created, expires FROM token "
             "WHERE id > ?1 ORDER BY id LIMIT ?2"),
      insert_(database,
              "INSERT INTO token(id, hash, container, prefix, actions, created, expires) "
              "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)"),
      remove_(database, "DELETE FROM token WHERE id = ?1") {}

Result<std::vector<TokenRow>> TokenTable::after(std::string_view after, int limit) {
    Query query(after_, after, limit);
    std::vector<TokenRow> rows;
    while (true) {
        RF_TRY(bool found, query.step());
        if (!found) return rows;
        RF_TRY(TokenRow row, token_row(query));
        rows.push_back(std::move(row));
    }
}

Result<void> TokenTable::insert(const TokenRow& row) {
    std::optional<std::int64_t> expires;
    if (row.expires) expires = row.expires->ns;
    Query query(insert_, row.id, Bytes(row.hash), row.container, row.prefix, row.actions.bits(),
                row.created.ns, expires);
    RF_TRY([[maybe_unused]] int changed, query.run());
    return done();
}

Result<void> TokenTable::remove(std::string_view id) {
    Query query(remove_, id);
    RF_TRY(int changed, query.run());
    if (changed == 0) return Error(Errc::kNotFound, fmt::format("no token {}", id));
    return done();
}

}  // namespace reelfs::catalog
