// What a change of content does to suid, sgid and the times.
#include <gtest/gtest.h>

#include "core/test_store.h"

namespace reelfs::core {
namespace {

using test::must;
using test::SeededRandom;
using test::StoreRig;

class PrivilegesTest : public ::testing::Test {
  protected:
    Tree& tree() { return rig_.tree(); }
    NodeId file(const std::string& name) {
        rig_.put(c_, name, rig_.noise(8192));
        const NodeId node = must(tree().lookup(c_, name)).node;
        AttributeChange change;
        change.mode = 06755;
        must(tree().change({}, node, change));
        return node;
    }
    std::uint32_t mode(NodeId node) { return must(tree().attributes(node)).mode; }
    Caller caller(bool drops) { return {.uid = 0, .drops_privileges = drops}; }

    SeededRandom random_;
    StoreRig rig_{random_};
    const NodeId c_ = rig_.container();
};

TEST_F(PrivilegesTest, AChangeOfContentTakesThemFromAllButThePrivileged) {
    using Change = std::function<void(const Caller&, NodeId)>;
    const auto with_open = [&](NodeId node, const std::function<void(OpenFile&)>& act) {
        auto open = must(tree().open(node, {.write = true}));
        act(*open);
        tree().release(open);
    };
    const auto allocating = [&](AllocateMode how) -> Change {
        return [&, how](const Caller& caller, NodeId node) {
            with_open(node, [&](OpenFile& open) {
                must(tree().allocate(caller, open, how, 0, 100'000));
            });
        };
    };
    const std::vector<Change> changes{
        [&](const Caller& caller, NodeId node) {
            with_open(node, [&](OpenFile& open) {
                must(tree().write(caller, open, 0, bytes_of("hello")));
            });
        },
        [&](const Caller& caller, NodeId node) {
            AttributeChange change;
            change.size = 8192;
            must(tree().change(caller, node, change));
        },
        [&](const Caller& caller, NodeId node) {
            tree().release(must(tree().open(
                node,
                {.write = true, .truncate = true, .drops_privileges = caller.drops_privileges})));
        },
        allocating(AllocateMode::kAllocate),
        allocating(AllocateMode::kKeepSize),
        allocating(AllocateMode::kPunchHole),
        allocating(AllocateMode::kZeroRange),
    };
    for (std::size_t i = 0; i < changes.size(); ++i) {
        const NodeId node = file("f" + std::to_string(i));
        changes[i](caller(false), node);
        EXPECT_EQ(mode(node), 06755u) << "change " << i;
        changes[i](caller(true), node);
        EXPECT_EQ(mode(node), 0755u) << "change " << i;
        rig_.reopen();
        EXPECT_EQ(mode(node), 0755u) << "change " << i;
    }
}

TEST_F(PrivilegesTest, WhatTakesThemAwayIsAChangeOfTheNode) {
    const NodeId node = file("f");
    const Timestamp before = must(tree().attributes(node)).changed;
    rig_.clock().advance_ms(5);
    auto open = must(tree().open(node, {.write = true}));
    must(tree().write(caller(true), *open, 0, {}));
    EXPECT_EQ(mode(node), 0755u);
    EXPECT_GT(must(tree().attributes(node)).changed, before);
    tree().release(open);
}

TEST_F(PrivilegesTest, ReservingRoomIsAChangeThatKeepsEveryByteAndTheETag) {
    const NodeId node = file("f");
    const auto bytes = rig_.content(node);
    const auto etag = must(tree().get_xattr(node, "user.reelfs.etag"));
    for (AllocateMode how : {AllocateMode::kAllocate, AllocateMode::kKeepSize}) {
        const Attributes before = must(tree().attributes(node));
        rig_.clock().advance_ms(5);
        auto open = must(tree().open(node, {.write = true}));
        must(tree().allocate({}, *open, how, 100, 1000));
        tree().release(open);
        const Attributes after = must(tree().attributes(node));
        EXPECT_GT(after.modified, before.modified);
        EXPECT_GT(after.changed, before.changed);
        EXPECT_EQ(after.size, before.size);
    }
    EXPECT_EQ(rig_.content(node), bytes);
    EXPECT_EQ(must(tree().get_xattr(node, "user.reelfs.etag")), etag);
}

TEST_F(PrivilegesTest, TheTimeOfAReservationIsNotOlderThanWhatWasWrittenBefore) {
    const NodeId node = file("f");
    auto open = must(tree().open(node, {.write = true}));
    must(tree().write({}, *open, 0, bytes_of("waits to be committed")));
    rig_.clock().advance_ms(5);
    const Timestamp now = rig_.clock().now();
    must(tree().allocate({}, *open, AllocateMode::kKeepSize, 0, 10));
    EXPECT_EQ(must(tree().attributes(node)).modified, now);
    must(tree().flush(*open));
    EXPECT_EQ(must(tree().attributes(node)).modified, now);
    tree().release(open);
}

TEST_F(PrivilegesTest, ASpaceOfAttributesIsNotAName) {
    const NodeId node = file("f");
    for (const char* space : {"user.", "trusted.", "security."})
        EXPECT_EQ(tree().set_xattr(node, space, bytes_of("1"), XattrMode::kSet).error().code(),
                  Errc::kInvalid)
            << space;
}

}  // namespace
}  // namespace reelfs::core
