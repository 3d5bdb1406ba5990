#include "fuse/translate.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include "fuse/node_ids.h"
#include "fuse/preflight.h"

namespace reelfs::fuse {
namespace {

class StoppedClock final : public Clock {
  public:
    Timestamp now() const override { return Timestamp::from_seconds(1000); }
    std::int64_t monotonic_ns() const override { return 0; }
};

TEST(NodeIds, OfTheWholeTreeAreTheSameOnBothSides) {
    NodeIds ids(kRootNode);
    EXPECT_EQ(ids.node_of(1), kRootNode);
    EXPECT_EQ(ids.ino_of(kRootNode), 1u);
    EXPECT_EQ(ids.ino_of(NodeId{57}), 57u);
    EXPECT_EQ(ids.visible_ino_of(kRootNode), 1u);
}

TEST(NodeIds, OfAContainerShowItsRootAsOneAndNeverTheTreesRoot) {
    NodeIds ids(NodeId{57});
    EXPECT_EQ(ids.node_of(1), NodeId{57});
    EXPECT_EQ(ids.ino_of(NodeId{57}), 1u);
    EXPECT_EQ(ids.node_of(58), NodeId{58});
    EXPECT_FALSE(ids.visible_ino_of(kRootNode));
    EXPECT_EQ(ids.visible_ino_of(NodeId{57}), 1u);
    EXPECT_EQ(ids.parent_ino_of(NodeId{57}, kRootNode), 1u);
    EXPECT_EQ(ids.parent_ino_of(NodeId{60}, NodeId{57}), 1u);
    EXPECT_EQ(ids.parent_ino_of(NodeId{61}, NodeId{60}), 60u);
}

TEST(Translate, CacheTimeNeverExceedsTheExpiry) {
    StoppedClock clock;
    Attributes node;
    EXPECT_EQ(cache_seconds(node, clock), kCacheSeconds);
    node.expires = Timestamp::from_seconds(1005);
    EXPECT_DOUBLE_EQ(cache_seconds(node, clock), 5 - kTickSeconds);
    node.expires = Timestamp{1'000'010'000'000};  // within a tick of the kernel's
    EXPECT_EQ(cache_seconds(node, clock), 0);
    node.expires = Timestamp::from_seconds(900);
    EXPECT_EQ(cache_seconds(node, clock), 0);
    node.expires = Timestamp::from_seconds(1'000'000);
    EXPECT_EQ(cache_seconds(node, clock), kCacheSeconds);
    node.grows_elsewhere = true;
    EXPECT_EQ(cache_seconds(node, clock), 0);
}

TEST(Translate, StatCarriesEverything) {
    Attributes node;
    node.node = NodeId{12};
    node.type = NodeType::kCharDevice;
    node.mode = 04755;
    node.links = 3;
    node.uid = 4;
    node.gid = 5;
    node.device = 0x501;
    node.size = 6000;
    node.allocated_bytes = 8192;
    node.modified = {-1};
    struct stat out = stat_of(NodeIds(kRootNode), node);
    EXPECT_EQ(out.st_ino, 12u);
    EXPECT_EQ(out.st_mode, static_cast<mode_t>(S_IFCHR | 04755));
    EXPECT_EQ(out.st_nlink, 3u);
    EXPECT_EQ(out.st_uid, 4u);
    EXPECT_EQ(out.st_gid, 5u);
    EXPECT_EQ(out.st_rdev, 0x501u);
    EXPECT_EQ(out.st_size, 6000);
    EXPECT_EQ(out.st_blocks, 16);
    EXPECT_EQ(out.st_mtim.tv_sec, -1);
    EXPECT_EQ(out.st_mtim.tv_nsec, 999'999'999);
}

TEST(Translate, OpenFlagsFollowTheAccessMode) {
    EXPECT_TRUE(open_flags_of(O_RDONLY).read);
    EXPECT_FALSE(open_flags_of(O_RDONLY).write);
    EXPECT_FALSE(open_flags_of(O_WRONLY).read);
    EXPECT_TRUE(open_flags_of(O_RDWR | O_APPEND | O_TRUNC).append);
    EXPECT_TRUE(open_flags_of(O_RDWR | O_TRUNC).truncate);
    EXPECT_FALSE(open_flags_of(O_RDWR).sync);
    EXPECT_TRUE(open_flags_of(O_RDWR | O_SYNC).sync);
    EXPECT_TRUE(open_flags_of(O_RDWR | O_DSYNC).sync);
}

TEST(Translate, NowWinsOverATime) {
    struct stat wanted {};
    wanted.st_mtim.tv_sec = 5;
    auto change = change_of(wanted, FUSE_SET_ATTR_MTIME | FUSE_SET_ATTR_MTIME_NOW);
    EXPECT_TRUE(change.modified_now);
    EXPECT_FALSE(change.modified);
    change = change_of(wanted, FUSE_SET_ATTR_MTIME | FUSE_SET_ATTR_SIZE);
    EXPECT_EQ(change.modified, Timestamp::from_seconds(5));
    EXPECT_EQ(change.size, 0u);
    EXPECT_FALSE(change.mode);
}

TEST(Preflight, FuseConfAllowsOtherOnlyByALineOfItsOwn) {
    EXPECT_TRUE(conf_allows_other("user_allow_other\n"));
    EXPECT_TRUE(conf_allows_other("# a\n  user_allow_other # yes\nmount_max = 5"));
    EXPECT_TRUE(conf_allows_other("mount_max = 5\nuser_allow_other"));
    EXPECT_FALSE(conf_allows_other("#user_allow_other\n"));
    EXPECT_FALSE(conf_allows_other("user_allow_others\n"));
    EXPECT_FALSE(conf_allows_other(""));
}

TEST(Preflight, ADeviceThatCannotBeOpenedComesWithWhatToRun) {
    EXPECT_NE(device_error(ENOENT, true).message().find("modprobe fuse"), std::string::npos);
    EXPECT_NE(device_error(EPERM, true).message().find("--device /dev/fuse"), std::string::npos);
    EXPECT_NE(device_error(EACCES, false).message().find("udev"), std::string::npos);
    EXPECT_EQ(device_error(EACCES, false).code(), Errc::kAccessDenied);
}

TEST(Preflight, OptionsAreEscapedForLibfuse) {
    MountOptions options;
    options.source = "/a,b\\c";
    options.read_only = true;
    options.other = {"noatime"};
    std::string list = option_string(options);
    EXPECT_NE(list.find("fsname=/a\\,b\\\\c,"), std::string::npos) << list;
    EXPECT_NE(list.find(",ro,"), std::string::npos);
    EXPECT_NE(list.find(",nosuid,nodev"), std::string::npos);
    EXPECT_NE(list.find("default_permissions"), std::string::npos);
    EXPECT_EQ(list.find("allow_other"), std::string::npos);
    EXPECT_TRUE(list.ends_with(",noatime"));
}

}  // namespace
}  // namespace reelfs::fuse
