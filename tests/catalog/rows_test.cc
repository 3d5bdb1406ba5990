// Every method of Reader and Writer, on one catalog in memory.
#include "catalog/fixture.h"

namespace reelfs::catalog {
namespace {

class RowsTest : public testing::Test {
  protected:
    void SetUp() override {
        auto result = open_on(*disk_, random_);
        ASSERT_TRUE(result.ok()) << result.error().message();
        catalog_ = std::move(result->catalog);
    }
    /// Runs in one transaction.
    Result<void> write(const std::function<Result<void>(Writer&)>& body) {
        return catalog_->write(body);
    }
    template <class Value, class Call>
    Value get(Call call) {
        auto result = ask<Value>(*catalog_, call);
        EXPECT_TRUE(result.ok()) << result.error().message();
        return *std::move(result);
    }

    test::SeededRandom random_;
    std::unique_ptr<test::SimDisk> disk_ = new_disk();
    std::unique_ptr<Catalog> catalog_;
};

PackId pack_id(std::uint8_t n) {
    PackId pack;
    pack.bytes.fill(std::byte{n});
    return pack;
}

PackRow pack_row(std::uint8_t n) {
    return {.pack = pack_id(n), .container = ContainerId(3)};
}

ExtentRow packed(std::uint64_t id, const PackId& pack, std::uint64_t offset, std::uint64_t length) {
    ExtentRow row;
    row.shape = {.extent = ExtentId(id),
                 .container = ContainerId(3),
                 .key = KeyId(2),
                 .block_shift = 14,
                 .plain_bytes = 1000};
    row.shape.salt[5] = std::byte{9};
    row.location = {.pack = pack, .offset = offset, .length = length};
    return row;
}

TEST_F(RowsTest, ANodeComesBackAsItWasGiven) {
    NodeRow row = file_row(7, 12345);
    Attributes& a = row.attributes;
    a.generation = 4;
    a.type = NodeType::kSymlink;
    a.mode = 04755;
    a.links = 3;
    a.uid = 4294967295u;
    a.gid = 100;
    a.device = 0xffffffff00000001ull;
    a.allocated_bytes = 16384;
    a.accessed = Timestamp{-5};
    a.changed = Timestamp{6};
    a.created = Timestamp{7};
    a.expires = Timestamp{8};
    row.etag.bytes[15] = std::byte{1};
    row.parent = NodeId(1);
    row.implicit_folder = true;
    row.symlink_target = "to/where";
    ASSERT_OK(write([&](Writer& writer) { return writer.insert_node(row); }));
    auto check = [&] {
        auto found =
            get<std::optional<NodeRow>>([](Reader& reader) { return reader.node(NodeId(7)); });
        ASSERT_TRUE(found.has_value());
        EXPECT_EQ(found->attributes, row.attributes);
        EXPECT_EQ(found->etag, row.etag);
        EXPECT_EQ(found->parent, row.parent);
        EXPECT_EQ(found->implicit_folder, row.implicit_folder);
        EXPECT_EQ(found->has_xattrs, row.has_xattrs);
        EXPECT_EQ(found->symlink_target, row.symlink_target);
    };
    check();
    row.etag = {};
    row.has_xattrs = true;
    row.implicit_folder = false;
    row.attributes.expires.reset();
    row.attributes.size = std::uint64_t{1} << 60;
    row.symlink_target.clear();
    ASSERT_OK(write([&](Writer& writer) { return writer.update_node(row); }));
    check();
    EXPECT_FAILS(Errc::kExists, write([&](Writer& writer) { return writer.insert_node(row); }));
}

TEST_F(RowsTest, ANodeThatIsGoneIsStale) {
    EXPECT_FAILS(Errc::kStale,
                 write([](Writer& writer) { return writer.update_node(file_row(7)); }));
    EXPECT_FAILS(Errc::kStale, write([](Writer& writer) { return writer.delete_node(NodeId(7)); }));
}

TEST_F(RowsTest, ANodeGoesWithItsXattrsButNotBeforeItsSlices) {
    ASSERT_OK(write([](Writer& writer) -> Result<void> {
        RF_CHECK(writer.insert_node(file_row(7)));
        RF_CHECK(writer.set_xattr(NodeId(7), "user.a", bytes_of("1")));
        RF_CHECK(writer.insert_pack(pack_row(1)));
        RF_CHECK(writer.insert_extent(packed(1, pack_id(1), 0, 4096), {}));
        return writer.insert_slice(NodeId(7), {.length = 10, .extent = ExtentId(1)});
    }));
    EXPECT_FAILS(Errc::kNotEmpty,
                 write([](Writer& writer) { return writer.delete_node(NodeId(7)); }));
    ASSERT_OK(write([](Writer& writer) -> Result<void> {
        RF_CHECK(writer.delete_slice(NodeId(7), 0));
        return writer.delete_node(NodeId(7));
    }));
    EXPECT_TRUE(get<std::vector<std::string>>([](Reader& reader) {
                    return reader.xattr_names(NodeId(7));
                }).empty());
}

TEST_F(RowsTest, EntriesAreOrderedBytewiseAndUnique) {
    const std::vector<std::string> names{"B",   "a", "\xc3\xa4", "a\x01", std::string("a\0b", 3),
                                         "\xff"};
    ASSERT_OK(write([&](Writer& writer) -> Result<void> {
        std::uint64_t id = 10;
        for (const auto& name : names) {
            RF_CHECK(writer.insert_node(file_row(id)));
            RF_CHECK(writer.insert_entry(NodeId(1), {.name = name, .node = NodeId(id++)}));
        }
        return done();
    }));
    std::vector<std::string> sorted = names;
    std::sort(sorted.begin(), sorted.end());
    std::vector<std::string> listed;
    std::string after;
    while (true) {
        auto rows = get<std::vector<EntryRow>>(
            [&](Reader& reader) { return reader.entries_after(NodeId(1), after, 2); });
        if (rows.empty()) break;
        for (const auto& row : rows) listed.push_back(row.name);
        after = listed.back();
    }
    EXPECT_EQ(listed, sorted);
    auto with_nodes = get<std::vector<EntryWithNode>>(
        [](Reader& reader) { return reader.entries_with_nodes_after(NodeId(1), "", 1000); });
    ASSERT_EQ(with_nodes.size(), names.size());
    EXPECT_EQ(with_nodes[0].name, "B");
    EXPECT_EQ(with_nodes[0].node.attributes, file_row(10).attributes);
    EXPECT_FAILS(Errc::kExists, write([](Writer& writer) {
                     return writer.insert_entry(NodeId(1), {.name = "a", .node = NodeId(99)});
                 }));
    ASSERT_OK(write([](Writer& writer) {
        return writer.replace_entry(NodeId(1), {.name = "a", .node = NodeId(99)});
    }));
    EXPECT_EQ(
        get<std::optional<NodeId>>([](Reader& reader) { return reader.entry(NodeId(1), "a"); }),
        NodeId(99));
    ASSERT_OK(write([](Writer& writer) { return writer.delete_entry(NodeId(1), "a"); }));
    EXPECT_FAILS(Errc::kNotFound,
                 write([](Writer& writer) { return writer.delete_entry(NodeId(1), "a"); }));
    EXPECT_EQ(
        get<std::optional<NodeId>>([](Reader& reader) { return reader.entry(NodeId(1), "a"); }),
        std::nullopt);
    EXPECT_TRUE(get<bool>([](Reader& reader) { return reader.has_entries(NodeId(1)); }));
    EXPECT_FALSE(get<bool>([](Reader& reader) { return reader.has_entries(NodeId(2)); }));
}

TEST_F(RowsTest, AStepReturnsNoMoreRowsThanItsLimit) {
    ASSERT_OK(write([](Writer& writer) -> Result<void> {
        for (int i = 0; i < 300; ++i)
            RF_CHECK(
                writer.insert_entry(NodeId(1), {.name = std::to_string(i), .node = NodeId(2)}));
        return done();
    }));
    auto rows = get<std::vector<EntryRow>>(
        [](Reader& reader) { return reader.entries_after(NodeId(1), "", 100000); });
    EXPECT_EQ(rows.size(), 256u);
}

TEST_F(RowsTest, SlicesComeInOrderWithTheirExtents) {
    const std::vector<std::byte> sealed(5000, std::byte{3});
    ExtentRow inlined = packed(2, pack_id(1), 0, sealed.size());
    inlined.location.pack.reset();
    ASSERT_OK(write([&](Writer& writer) -> Result<void> {
        RF_CHECK(writer.insert_pack(pack_row(1)));
        RF_CHECK(writer.insert_extent(packed(1, pack_id(1), 8192, 4096), {}));
        RF_CHECK(writer.insert_extent(inlined, Bytes(sealed)));
        RF_CHECK(writer.insert_slice(
            NodeId(7), {.file_offset = 500, .length = 5, .extent = ExtentId(2), .start = 1}));
        return writer.insert_slice(NodeId(7), {.length = 400, .extent = ExtentId(1), .start = 9});
    }));
    auto rows =
        get<std::vector<SliceRow>>([](Reader& reader) { return reader.slices(NodeId(7), 0, 10); });
    ASSERT_EQ(rows.size(), 2u);
    EXPECT_EQ(rows[0].slice, (Slice{.length = 400, .extent = ExtentId(1), .start = 9}));
    EXPECT_EQ(rows[0].extent.shape, packed(1, pack_id(1), 8192, 4096).shape);
    EXPECT_EQ(rows[0].extent.location, packed(1, pack_id(1), 8192, 4096).location);
    EXPECT_EQ(rows[1].extent.location, inlined.location);
    EXPECT_EQ(get<std::vector<SliceRow>>([](Reader& reader) {
                  return reader.slices(NodeId(7), 1, 10);
              }).size(),
              1u);
    EXPECT_TRUE(get<std::vector<SliceRow>>([](Reader& reader) {
                    return reader.slices(NodeId(7), ~std::uint64_t{0}, 10);
                }).empty());
    EXPECT_EQ(get<std::vector<std::byte>>(
                  [](Reader& reader) { return reader.inline_bytes(ExtentId(2)); }),
              sealed);
    EXPECT_FAILS(Errc::kNotFound, ask<std::vector<std::byte>>(*catalog_, [](Reader& reader) {
                     return reader.inline_bytes(ExtentId(1));
                 }));
    EXPECT_FAILS(Errc::kExists, write([](Writer& writer) {
                     return writer.insert_slice(NodeId(7), {.length = 1, .extent = ExtentId(1)});
                 }));
    EXPECT_FAILS(Errc::kNotFound,
                 write([](Writer& writer) { return writer.delete_slice(NodeId(7), 3); }));
    ASSERT_OK(write([](Writer& writer) { return writer.delete_extent(ExtentId(2)); }));
    EXPECT_FAILS(Errc::kNotFound,
                 write([](Writer& writer) { return writer.delete_extent(ExtentId(2)); }));
    // The slice that still names it must not read as a hole.
    EXPECT_FAILS(Errc::kCorrupt, ask<std::vector<SliceRow>>(*catalog_, [](Reader& reader) {
                     return reader.slices(NodeId(7), 0, 10);
                 }));
}

TEST_F(RowsTest, AnExtentIsEitherInAPackOrInline) {
    ASSERT_OK(write([](Writer& writer) { return writer.insert_pack(pack_row(1)); }));
    EXPECT_FAILS(Errc::kInvalid, write([](Writer& writer) {
                     return writer.insert_extent(packed(1, pack_id(1), 0, 1), bytes_of("x"));
                 }));
    EXPECT_FAILS(Errc::kNotFound, write([](Writer& writer) {
                     return writer.insert_extent(packed(1, pack_id(2), 0, 1), {});
                 }));
    ExtentRow nowhere = packed(1, pack_id(1), 0, 1);
    nowhere.location.pack.reset();
    EXPECT_FAILS(Errc::kInvalid,
                 write([&](Writer& writer) { return writer.insert_extent(nowhere, {}); }));
    EXPECT_EQ(get<std::optional<ExtentRow>>([](Reader& reader) {
                  return reader.extent(ExtentId(1));
              }).has_value(),
              false);
}

TEST_F(RowsTest, APackKnowsItsExtentsFromAnOffsetOnAndWhoseTheyAre) {
    ASSERT_OK(write([](Writer& writer) -> Result<void> {
        RF_CHECK(writer.insert_pack(pack_row(1)));
        RF_CHECK(writer.insert_pack(pack_row(2)));
        for (std::uint64_t i = 1; i <= 4; ++i) {
            RF_CHECK(writer.insert_extent(packed(i, pack_id(i == 4 ? 2 : 1), i * 4096, 4096), {}));
            RF_CHECK(writer.insert_slice(
                NodeId(10 + i), {.file_offset = i * 100, .length = 50, .extent = ExtentId(i)}));
        }
        // Cut in two by an overwrite: its lowest offset stays.
        RF_CHECK(writer.delete_slice(NodeId(13), 300));
        RF_CHECK(writer.insert_slice(
            NodeId(13), {.file_offset = 330, .length = 20, .extent = ExtentId(3), .start = 30}));
        return writer.insert_slice(NodeId(13),
                                   {.file_offset = 300, .length = 10, .extent = ExtentId(3)});
    }));
    auto rows = get<std::vector<Reader::PackExtent>>(
        [](Reader& reader) { return reader.extents_in_pack(pack_id(1), 8192, 100); });
    ASSERT_EQ(rows.size(), 2u);
    EXPECT_EQ(rows[0].extent.shape.extent, ExtentId(2));
    EXPECT_EQ(rows[0].node, NodeId(12));
    EXPECT_EQ(rows[0].file_offset, 200u);
    EXPECT_EQ(rows[1].node, NodeId(13));
    EXPECT_EQ(rows[1].file_offset, 300u);
    EXPECT_EQ(rows[1].extent.location.pack, pack_id(1));
}

TEST_F(RowsTest, ASharedExtentHasCountsAndNoOwner) {
    const auto run = [](std::uint32_t first, std::uint32_t count, std::uint32_t refs) {
        return RefRun{.first = BlockIndex(first), .count = count, .refs = refs};
    };
    const auto shares = [&](std::uint32_t from, std::uint32_t to) {
        return get<std::vector<RefRun>>(
            [&](Reader& reader) { return reader.shares(ExtentId(1), from, to); });
    };
    const std::vector<RefRun> before{run(0, 4, 1), run(6, 2, 2), run(8, 4, 1)};
    const std::vector<RefRun> after{run(6, 6, 1)};
    ASSERT_OK(write([&](Writer& writer) -> Result<void> {
        RF_CHECK(writer.insert_pack(pack_row(1)));
        RF_CHECK(writer.insert_extent(packed(1, pack_id(1), 8192, 4096), {}));
        RF_CHECK(writer.insert_slice(NodeId(7), {.length = 400, .extent = ExtentId(1)}));
        RF_CHECK(writer.share_extent(ExtentId(1), before));
        return writer.insert_slice(NodeId(8), {.length = 400, .extent = ExtentId(1)});
    }));
    EXPECT_TRUE(get<std::optional<ExtentRow>>([](Reader& reader) {
                    return reader.extent(ExtentId(1));
                })->shared);
    EXPECT_EQ(get<std::vector<Reader::PackExtent>>(
                  [](Reader& reader) { return reader.extents_in_pack(pack_id(1), 0, 9); })
                  .at(0)
                  .node,
              NodeId(7));
    EXPECT_EQ(shares(0, 12), before);
    EXPECT_EQ(shares(0, 1), std::vector{before[0]});
    EXPECT_EQ(shares(5, 6), (std::vector{before[0], before[1]}));  // it adjoins one of them
    EXPECT_EQ(shares(7, 8), (std::vector{before[1], before[2]}));
    EXPECT_EQ(get<std::vector<Reader::ExtentRun>>([](Reader& reader) {
                  return reader.shares_after(ExtentId(1), 0, 9);
              }).size(),
              2u);
    ASSERT_OK(
        write([&](Writer& writer) { return writer.replace_shares(ExtentId(1), before, after); }));
    EXPECT_EQ(shares(0, 12), after);
    ASSERT_OK(write([&](Writer& writer) -> Result<void> {
        RF_CHECK(writer.replace_shares(ExtentId(1), after, {}));
        RF_TRY(const bool any, writer.has_shares(ExtentId(1)));
        EXPECT_FALSE(any);
        return done();
    }));
    EXPECT_FAILS(Errc::kCorrupt,
                 write([](Writer& writer) { return writer.share_extent(ExtentId(1), {}); }));
}

TEST_F(RowsTest, WalksSeeEverySliceAndExtentOnce) {
    ASSERT_OK(write([](Writer& writer) -> Result<void> {
        RF_CHECK(writer.insert_pack(pack_row(1)));
        for (std::uint64_t i = 1; i <= 5; ++i) {
            RF_CHECK(writer.insert_extent(packed(i, pack_id(1), i * 4096, 4096), {}));
            RF_CHECK(writer.insert_slice(
                NodeId(10 + i / 3), {.file_offset = i * 100, .length = 50, .extent = ExtentId(i)}));
        }
        return done();
    }));
    std::vector<std::uint64_t> seen;
    Reader::NodeSlice last{.node = {}, .slice = {}};
    for (std::int64_t offset = -1;;) {
        auto rows = get<std::vector<Reader::NodeSlice>>(
            [&](Reader& reader) { return reader.slices_after(last.node, offset, 2); });
        for (const auto& row : rows) seen.push_back(row.slice.extent.value());
        if (rows.size() < 2) break;
        last = rows.back();
        offset = static_cast<std::int64_t>(last.slice.file_offset);
    }
    EXPECT_EQ(seen, (std::vector<std::uint64_t>{1, 2, 3, 4, 5}));
    auto extents = get<std::vector<Reader::PackExtent>>(
        [](Reader& reader) { return reader.extents_after(ExtentId(3), 9); });
    ASSERT_EQ(extents.size(), 2u);
    EXPECT_EQ(extents[0].extent.shape.extent, ExtentId(4));
    EXPECT_EQ(extents[0].node, NodeId(11));
}

TEST_F(RowsTest, APackCountsItsLiveBytes) {
    auto live = [&] {
        return get<std::optional<PackRow>>([](Reader& reader) { return reader.pack(pack_id(1)); })
            ->live_bytes;
    };
    const FreedRange range{.pack = pack_id(1), .offset = 4096, .length = 4096};
    ASSERT_OK(write([&](Writer& writer) -> Result<void> {
        RF_CHECK(writer.insert_pack(pack_row(1)));
        RF_CHECK(writer.insert_extent(packed(1, pack_id(1), 0, 8192), {}));
        RF_CHECK(writer.update_pack(pack_id(1), PackState::kClosed, 8192));
        return writer.insert_freed(range);
    }));
    EXPECT_EQ(live(), 4096);
    auto pack = get<std::optional<PackRow>>([](Reader& reader) { return reader.pack(pack_id(1)); });
    EXPECT_EQ(pack->state, PackState::kClosed);
    EXPECT_EQ(pack->durable_end, 8192u);
    EXPECT_EQ(pack->container, ContainerId(3));
    auto freed = get<std::vector<FreedRow>>([](Reader& reader) { return reader.freed(10); });
    ASSERT_EQ(freed.size(), 1u);
    EXPECT_EQ(freed[0].range, range);
    ASSERT_OK(write([&](Writer& writer) { return writer.delete_freed(freed[0].row); }));
    EXPECT_FAILS(Errc::kNotFound,
                 write([&](Writer& writer) { return writer.delete_freed(freed[0].row); }));
    EXPECT_FAILS(Errc::kExists,
                 write([](Writer& writer) { return writer.insert_pack(pack_row(1)); }));
    EXPECT_FAILS(Errc::kNotEmpty,
                 write([](Writer& writer) { return writer.delete_pack(pack_id(1)); }));
    ASSERT_OK(write([&](Writer& writer) -> Result<void> {
        RF_CHECK(writer.insert_freed({.pack = pack_id(1), .offset = 0, .length = 4096}));
        RF_CHECK(writer.delete_extent(ExtentId(1)));
        return writer.delete_pack(pack_id(1));
    }));
    EXPECT_TRUE(get<std::vector<PackRow>>([](Reader& reader) { return reader.packs(); }).empty());
    EXPECT_TRUE(
        get<std::vector<FreedRow>>([](Reader& reader) { return reader.freed(10); }).empty());
    for (auto call : std::vector<std::function<Result<void>(Writer&)>>{
             [](Writer& writer) { return writer.delete_pack(pack_id(1)); },
             [](Writer& writer) { return writer.update_pack(pack_id(1), PackState::kOpen, 0); },
             [](Writer& writer) { return writer.insert_freed({.pack = pack_id(1)}); }})
        EXPECT_FAILS(Errc::kNotFound, write(call));
}

TEST_F(RowsTest, XattrsAreKeptByName) {
    const std::string big(64 * 1024, 'x');
    ASSERT_OK(write([&](Writer& writer) -> Result<void> {
        RF_CHECK(writer.set_xattr(NodeId(7), "user.b", bytes_of(big)));
        RF_CHECK(writer.set_xattr(NodeId(7), "user.a", bytes_of("one")));
        RF_CHECK(writer.set_xattr(NodeId(7), "user.a", bytes_of("")));
        return writer.set_xattr(NodeId(8), "user.c", bytes_of("other"));
    }));
    EXPECT_EQ(
        get<std::vector<std::string>>([](Reader& reader) { return reader.xattr_names(NodeId(7)); }),
        (std::vector<std::string>{"user.a", "user.b"}));
    using Value = std::optional<std::vector<std::byte>>;
    EXPECT_EQ(get<Value>([](Reader& reader) { return reader.xattr(NodeId(7), "user.b"); }),
              copy_of(bytes_of(big)));
    EXPECT_EQ(get<Value>([](Reader& reader) { return reader.xattr(NodeId(7), "user.a"); }),
              std::vector<std::byte>{});
    EXPECT_EQ(get<Value>([](Reader& reader) { return reader.xattr(NodeId(7), "user.c"); }),
              std::nullopt);
    ASSERT_OK(write([](Writer& writer) { return writer.delete_xattr(NodeId(7), "user.a"); }));
    EXPECT_FAILS(Errc::kNoAttribute,
                 write([](Writer& writer) { return writer.delete_xattr(NodeId(7), "user.a"); }));
}

TEST_F(RowsTest, ContainersAndSettings) {
    const ContainerRow row{.container = ContainerId(4),
                           .root = NodeId(9),
                           .block_shift = 14,
                           .created = Timestamp{77},
                           .endpoint_id = "abcdefghijklmn",
                           .profile = "mediastore",
                           .quota = {}};
    ASSERT_OK(write([&](Writer& writer) { return writer.insert_container(row); }));
    EXPECT_FAILS(Errc::kExists,
                 write([&](Writer& writer) { return writer.insert_container(row); }));
    auto all = get<std::vector<ContainerRow>>([](Reader& reader) { return reader.containers(); });
    ASSERT_EQ(all.size(), 1u);
    auto found = get<std::optional<ContainerRow>>(
        [](Reader& reader) { return reader.container(ContainerId(4)); });
    EXPECT_EQ(found->root, row.root);
    EXPECT_EQ(found->block_shift, row.block_shift);
    EXPECT_EQ(found->created, row.created);
    EXPECT_EQ(found->endpoint_id, row.endpoint_id);
    EXPECT_EQ(found->profile, row.profile);
    ASSERT_OK(write([](Writer& writer) { return writer.delete_container(ContainerId(4)); }));
    EXPECT_FAILS(Errc::kNotFound,
                 write([](Writer& writer) { return writer.delete_container(ContainerId(4)); }));
    ASSERT_OK(write([](Writer& writer) -> Result<void> {
        RF_CHECK(writer.set_setting("a", "1"));
        return writer.set_setting("a", "2");
    }));
    EXPECT_EQ(get<std::optional<std::string>>([](Reader& reader) { return reader.setting("a"); }),
              "2");
    EXPECT_EQ(get<std::optional<std::string>>([](Reader& reader) { return reader.setting("b"); }),
              std::nullopt);
}

TEST_F(RowsTest, OrphansAreListedById) {
    ASSERT_OK(write([](Writer& writer) -> Result<void> {
        for (std::uint64_t id = 10; id < 20; ++id) {
            NodeRow row = file_row(id);
            row.attributes.links = id % 3 == 0 ? 0 : 1;
            RF_CHECK(writer.insert_node(row));
        }
        return done();
    }));
    EXPECT_EQ(
        get<std::vector<NodeId>>([](Reader& reader) { return reader.orphans(NodeId(12), 5); }),
        (std::vector<NodeId>{NodeId(15), NodeId(18)}));
}

TEST_F(RowsTest, CountsFollowCommitsAndSurviveBothKindsOfStop) {
    auto nodes = [&] {
        return get<Reader::Counts>([](Reader& reader) { return reader.counts(); }).nodes;
    };
    EXPECT_EQ(nodes(), 0u);
    ASSERT_OK(create(*catalog_, 5));
    ASSERT_OK(create(*catalog_, 6));
    EXPECT_FAILS(Errc::kQuota, write([](Writer& writer) -> Result<void> {
                     RF_CHECK(writer.delete_node(NodeId(5)));
                     RF_TRY(auto counts, writer.counts());
                     EXPECT_EQ(counts.nodes, 1u);
                     return Error(Errc::kQuota, "");
                 }));
    EXPECT_EQ(nodes(), 2u);
    ASSERT_OK(catalog_->close());
    catalog_.reset();
    SetUp();
    EXPECT_EQ(nodes(), 2u);
    ASSERT_OK(create(*catalog_, 7));
    catalog_.reset();
    SetUp();
    EXPECT_EQ(nodes(), 3u);
}

TEST_F(RowsTest, UsersAreFoundByNameAndTakenOnce) {
    const UserRow ann{.name = "ann",
                      .access_key_id = "K1",
                      .wrapped_secret = copy_of(bytes_of("secret")),
                      .disabled = false,
                      .created = Timestamp{1},
                      .key_created = Timestamp{1}};
    UserRow bob = ann;
    bob.name = "bob";
    ASSERT_OK(write([&](Writer& writer) { return writer.insert_user(ann); }));
    EXPECT_FAILS(Errc::kExists, write([&](Writer& writer) { return writer.insert_user(ann); }));
    // An access key leads to one user only.
    EXPECT_FALSE(write([&](Writer& writer) { return writer.insert_user(bob); }).ok());
    bob.access_key_id = "K2";
    ASSERT_OK(write([&](Writer& writer) { return writer.insert_user(bob); }));
    bob.disabled = true;
    ASSERT_OK(write([&](Writer& writer) { return writer.update_user(bob); }));
    const auto after_ann =
        get<std::vector<UserRow>>([](Reader& reader) { return reader.users_after("ann", 9); });
    ASSERT_EQ(after_ann.size(), 1u);
    EXPECT_EQ(after_ann[0].name, "bob");
    EXPECT_TRUE(after_ann[0].disabled);
    ASSERT_OK(write([&](Writer& writer) { return writer.delete_user("bob"); }));
    EXPECT_FAILS(Errc::kNotFound, write([&](Writer& writer) { return writer.delete_user("bob"); }));
    EXPECT_FAILS(Errc::kNotFound, write([&](Writer& writer) { return writer.update_user(bob); }));
}

TEST_F(RowsTest, TokensMayLastForeverAndGo) {
    TokenRow row{.id = "a",
                 .hash = {},
                 .container = ContainerId(1),
                 .prefix = "",
                 .actions = ActionSet::of_bits(3),
                 .created = Timestamp{1},
                 .expires = {}};
    ASSERT_OK(write([&](Writer& writer) { return writer.insert_token(row); }));
    const auto found =
        get<std::vector<TokenRow>>([](Reader& reader) { return reader.tokens_after("", 9); });
    ASSERT_EQ(found.size(), 1u);
    EXPECT_FALSE(found[0].expires);
    EXPECT_EQ(found[0].actions.bits(), 3u);
    ASSERT_OK(write([&](Writer& writer) { return writer.delete_token("a"); }));
    EXPECT_FAILS(Errc::kNotFound, write([&](Writer& writer) { return writer.delete_token("a"); }));
}

TEST_F(RowsTest, DocumentsAreReplacedListedInOrderAndGoWithTheirContainer) {
    for (std::uint64_t id : {1, 2})
        ASSERT_OK(write([&](Writer& writer) {
            return writer.insert_container({.container = ContainerId(id),
                                            .root = NodeId(id + 10),
                                            .block_shift = 13,
                                            .created = {},
                                            .endpoint_id = "e" + std::to_string(id),
                                            .profile = "",
                                            .quota = {}});
        }));
    ASSERT_OK(write([](Writer& writer) -> Result<void> {
        RF_CHECK(writer.put_document({ContainerId(2), "cors", "two"}));
        RF_CHECK(writer.put_document({ContainerId(1), "later", "of one"}));
        RF_CHECK(writer.put_document({ContainerId(1), "cors", "old"}));
        return writer.put_document({ContainerId(1), "cors", "one"});
    }));
    const auto all = get<std::vector<DocumentRow>>(
        [](Reader& reader) { return reader.documents_after(kNoContainer, "", 9); });
    ASSERT_EQ(all.size(), 3u);
    EXPECT_EQ(all[0].body, "one");
    EXPECT_EQ(all[1].kind, "later");
    EXPECT_EQ(all[2].container, ContainerId(2));
    const auto behind = get<std::vector<DocumentRow>>(
        [](Reader& reader) { return reader.documents_after(ContainerId(1), "cors", 1); });
    ASSERT_EQ(behind.size(), 1u);
    EXPECT_EQ(behind[0].body, "of one");
    ASSERT_OK(write([](Writer& writer) { return writer.delete_container(ContainerId(1)); }));
    ASSERT_OK(write([](Writer& writer) { return writer.delete_document(ContainerId(2), "cors"); }));
    EXPECT_FAILS(Errc::kNotFound, write([](Writer& writer) {
                     return writer.delete_document(ContainerId(2), "cors");
                 }));
    EXPECT_TRUE(get<std::vector<DocumentRow>>([](Reader& reader) {
                    return reader.documents_after(kNoContainer, "", 9);
                }).empty());
}

TEST_F(RowsTest, ExpiriesComeInOrderOfTheirTimeAndGoWithTheirNode) {
    for (std::uint64_t id : {5, 6, 7}) ASSERT_OK(create(*catalog_, id, std::to_string(id)));
    const auto row = [](std::uint64_t node, std::int64_t due) {
        return ExpiryRow{.node = NodeId(node),
                         .due = Timestamp{due},
                         .since = Timestamp{1},
                         .transient = node == 5,
                         .parent = kRootNode,
                         .name = std::to_string(node)};
    };
    EXPECT_FALSE(get<std::optional<Timestamp>>([](Reader& r) { return r.next_expiry(); }));
    ASSERT_OK(write([&](Writer& writer) -> Result<void> {
        RF_CHECK(writer.put_expiry(row(5, 30)));
        RF_CHECK(writer.put_expiry(row(6, 99)));
        RF_CHECK(writer.put_expiry(row(7, 20)));
        return writer.put_expiry(row(6, 10));  // one a node
    }));
    EXPECT_EQ(get<std::optional<Timestamp>>([](Reader& r) { return r.next_expiry(); }),
              Timestamp{10});
    const auto due =
        get<std::vector<ExpiryRow>>([](Reader& r) { return r.expiries_due(Timestamp{20}, 9); });
    ASSERT_EQ(due.size(), 2u);
    EXPECT_EQ(due[0].node, NodeId(6));
    EXPECT_EQ(due[1].name, "7");
    ASSERT_OK(write([](Writer& writer) -> Result<void> {
        RF_CHECK(writer.delete_node(NodeId(6)));
        RF_CHECK(writer.delete_expiry(NodeId(7)));
        return writer.delete_expiry(NodeId(7));
    }));
    const auto left =
        get<std::vector<ExpiryRow>>([](Reader& r) { return r.expiries_due(Timestamp{1'000}, 9); });
    ASSERT_EQ(left.size(), 1u);
    EXPECT_TRUE(left[0].transient);
    EXPECT_FALSE(get<std::optional<ExpiryRow>>([](Reader& r) { return r.expiry(NodeId(6)); }));
}

TEST_F(RowsTest, ADirectoryKnowsItsName) {
    ASSERT_OK(write([](Writer& writer) -> Result<void> {
        NodeRow folder = file_row(8, 0);
        folder.attributes.type = NodeType::kDirectory;
        RF_CHECK(writer.insert_node(folder));
        return writer.insert_entry(kRootNode, {"d", NodeId(8), NodeType::kDirectory});
    }));
    ASSERT_OK(create(*catalog_, 9, "f"));
    const auto name_of = [&](std::uint64_t node) {
        return get<std::optional<std::string>>(
            [node](Reader& r) { return r.directory_name(NodeId(node)); });
    };
    EXPECT_EQ(name_of(8), "d");
    EXPECT_FALSE(name_of(9)) << "directories only";
    ASSERT_OK(write([](Writer& writer) -> Result<void> {
        RF_CHECK(writer.delete_entry(kRootNode, "d"));
        return writer.insert_entry(kRootNode, {"e", NodeId(8), NodeType::kDirectory});
    }));
    EXPECT_EQ(name_of(8), "e");
}

TEST_F(RowsTest, ABodyThatGoesOnAfterAHarmlessErrorCommitsTheRest) {
    ASSERT_OK(create(*catalog_, 5, "a"));
    ASSERT_OK(write([](Writer& writer) -> Result<void> {
        auto second = writer.insert_entry(kRootNode, {.name = "a", .node = NodeId(6)});
        EXPECT_EQ(second.error().code(), Errc::kExists);
        return writer.insert_node(file_row(6));
    }));
    EXPECT_TRUE(*has_node(*catalog_, 6));
}

}  // namespace
}  // namespace reelfs::catalog
