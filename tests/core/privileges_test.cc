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

TEST_F(PrivilegesTest, AMemberOfAGroupThatMayNotExecuteLeavesItsSgid) {
    const auto fresh = [&](const std::string& name) {
        const NodeId node = file(name);
        AttributeChange change;
        change.mode = 06744;
        change.gid = 7;
        must(tree().change({}, node, change));
        return node;
    };
    const auto by = [](std::uint32_t gid, std::uint32_t other) {
        Caller caller{.uid = 5, .gid = gid, .drops_privileges = true};
        caller.has_group = [other](std::uint32_t group) { return group == other; };
        return caller;
    };
    const std::pair<Caller, std::uint32_t> cases[] = {
        {by(7, 0), 02744u}, {by(0, 7), 02744u}, {by(0, 8), 0744u}};
    int number = 0;
    for (const auto& [caller, left] : cases) {
        const NodeId written = fresh("w" + std::to_string(number));
        auto open = must(tree().open(written, {.write = true}));
        must(tree().write(caller, *open, 0, bytes_of("x")));
        tree().release(open);
        EXPECT_EQ(mode(written), left);
        const NodeId cut = fresh("c" + std::to_string(number));
        tree().release(must(tree().open(cut, {.write = true,
                                              .truncate = true,
                                              .drops_privileges = true,
                                              .by_group_member = caller.belongs_to(7)})));
        EXPECT_EQ(mode(cut), left);
        const NodeId given = fresh("g" + std::to_string(number));
        AttributeChange change;
        change.gid = 9;
        must(tree().change(caller, given, change));
        EXPECT_EQ(mode(given), left) << "the group it had decides";
        ++number;
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
