// What the catalog's tests share: a page key, rows to write, a catalog on a simulated disk.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "reelfs/catalog/catalog.h"
#include "reelfs/crypto/random.h"
#include "support/seeded_random.h"
#include "support/sim_disk.h"

namespace reelfs::catalog {

/// Sanitizers make everything several times slower: the sampling tests take fewer samples.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr std::uint64_t kSlower = 5;
#else
inline constexpr std::uint64_t kSlower = 1;
#endif

inline const std::string kDirectory = "/store/catalog";
inline const std::string kDatabase = kDirectory + "/catalog.db";
inline const std::string kLog = kDirectory + "/catalog.db-wal";

inline crypto::SecretKey page_key() {
    std::array<std::byte, 32> bytes{};
    bytes[3] = std::byte{7};
    return crypto::SecretKey::from(bytes);
}

inline std::unique_ptr<test::SimDisk> new_disk() {
    auto disk = std::make_unique<test::SimDisk>();
    disk->prepare("/store");
    return disk;
}

inline Result<OpenResult> open_on(Disk& disk, Random& random,
                                  const std::string& directory = kDirectory) {
    crypto::initialize();
    return open_catalog(disk, random, page_key(),
                        {.directory = directory, .cache_bytes = 2u << 20});
}

inline NodeRow file_row(std::uint64_t id, std::uint64_t size = 0) {
    NodeRow row;
    row.attributes.node = NodeId(id);
    row.attributes.container = ContainerId(1);
    row.attributes.type = NodeType::kFile;
    row.attributes.mode = 0644;
    row.attributes.links = 1;
    row.attributes.size = size;
    row.attributes.modified = Timestamp{static_cast<std::int64_t>(id) * 1000 + 1};
    return row;
}

/// One transaction that inserts node `id` with an entry under the root.
inline Result<void> create(Catalog& catalog, std::uint64_t id, const std::string& name) {
    return catalog.write([&](Writer& writer) -> Result<void> {
        RF_CHECK(writer.insert_node(file_row(id)));
        return writer.insert_entry(kRootNode, {.name = name, .node = NodeId(id)});
    });
}
inline Result<void> create(Catalog& catalog, std::uint64_t id) {
    return create(catalog, id, "file-" + std::to_string(id));
}

template <class Value, class Call>
Result<Value> ask(Catalog& catalog, Call call) {
    std::optional<Value> answer;
    RF_CHECK(catalog.read([&](Reader& reader) -> Result<void> {
        RF_TRY(answer, call(reader));
        return done();
    }));
    return *std::move(answer);
}

inline Result<bool> has_node(Catalog& catalog, std::uint64_t id) {
    RF_TRY(auto row, ask<std::optional<NodeRow>>(
                         catalog, [id](Reader& reader) { return reader.node(NodeId(id)); }));
    return row.has_value();
}

#define EXPECT_OK(...)                                          \
    do {                                                        \
        auto result_ = (__VA_ARGS__);                           \
        EXPECT_TRUE(result_.ok()) << result_.error().message(); \
    } while (false)
#define ASSERT_OK(...)                                          \
    do {                                                        \
        auto result_ = (__VA_ARGS__);                           \
        ASSERT_TRUE(result_.ok()) << result_.error().message(); \
    } while (false)
#define EXPECT_FAILS(errc, ...)                                         \
    do {                                                                \
        auto result_ = (__VA_ARGS__);                                   \
        EXPECT_TRUE(!result_.ok() && result_.error().code() == (errc))  \
            << (result_.ok() ? "no error" : result_.error().message()); \
    } while (false)

}  // namespace reelfs::catalog
