// Access control lists and the umask where the tree makes, changes and shows nodes.
#include <gtest/gtest.h>

#include "core/test_store.h"
#include "reelfs/model/posix_acl.h"

namespace reelfs::core {
namespace {

using test::must;
using test::SeededRandom;
using test::StoreRig;

/// u::rwx,u:1234:rwx,g::r-x,m::rwx,o::---
std::vector<std::byte> named_list() {
    return *from_hex(
        "0200000001000700ffffffff02000700d204000004000500ffffffff10000700ffffffff20000000ffffffff");
}
/// u::rw-,g::r--,o::-w-
std::vector<std::byte> plain_list() {
    return *from_hex("0200000001000600ffffffff04000400ffffffff20000200ffffffff");
}

class AclTest : public ::testing::Test {
  protected:
    Result<void> set(NodeId node, std::string_view name, Bytes value, SetGid sgid = SetGid::kKeep) {
        return tree().set_xattr(node, name, value, XattrMode::kSet, sgid);
    }
    std::optional<PosixAcl> list(NodeId node, std::string_view name) {
        auto value = tree().get_xattr(node, name);
        if (!value) {
            EXPECT_EQ(value.error().code(), Errc::kNoAttribute);
            return std::nullopt;
        }
        return must(PosixAcl::parse(*value));
    }
    void chmod(NodeId node, std::uint32_t mode) {
        AttributeChange change;
        change.mode = mode;
        must(tree().change({}, node, change));
    }
    std::uint32_t mode(NodeId node) { return must(tree().attributes(node)).mode; }
    std::vector<std::string> names(NodeId node) { return must(tree().list_xattrs(node)); }
    Tree& tree() { return rig_.tree(); }

    SeededRandom random_;
    StoreRig rig_{random_};
    const NodeId c_ = rig_.container();
    const Caller caller_{.uid = 1, .gid = 1, .pid = 0, .umask = 027};
};

TEST_F(AclTest, TheUmaskCountsWhereNoDefaultListDoes) {
    const auto folder = must(tree().make_directory(caller_, c_, "folder", 01777));
    EXPECT_EQ(folder.mode, 01750u);
    EXPECT_EQ(must(tree().create(caller_, c_, "file", 0666, {})).attributes.mode, 0640u);
    EXPECT_EQ(must(tree().make_node(caller_, c_, "fifo", {NodeType::kFifo, 0666, 0})).mode, 0640u);
    EXPECT_EQ(must(tree().make_symlink(caller_, c_, "link", "x")).mode, 0777u);
    EXPECT_EQ(must(tree().make_directory(caller_, kRootNode, "other", 0777)).mode, 0750u);

    must(set(folder.node, kDefaultAclName, named_list()));
    const auto file = must(tree().create(caller_, folder.node, "file", 0666, {})).attributes;
    EXPECT_EQ(file.mode, 0660u) << "the mask, and no umask";
    EXPECT_EQ(list(file.node, kAccessAclName)->mode(), 0660u);
    EXPECT_FALSE(list(file.node, kDefaultAclName));
    const auto inner = must(tree().make_directory(caller_, folder.node, "inner", 0755));
    EXPECT_EQ(inner.mode, 0750u);
    EXPECT_EQ(list(inner.node, kDefaultAclName), must(PosixAcl::parse(named_list())));
    EXPECT_EQ(list(inner.node, kAccessAclName)->mode(), 0750u);
    const auto link = must(tree().make_symlink(caller_, folder.node, "link", "x"));
    EXPECT_EQ(link.mode, 0777u);
    EXPECT_TRUE(names(link.node).empty());
}

TEST_F(AclTest, WhatIsInheritedSurvivesAKillWithItsFile) {
    const auto folder = must(tree().make_directory({}, c_, "folder", 0777));
    must(set(folder.node, kDefaultAclName, named_list()));
    const auto file = must(tree().create(caller_, folder.node, "file", 0600, {})).attributes;
    rig_.kill();
    EXPECT_EQ(mode(file.node), 0600u);
    ASSERT_TRUE(list(file.node, kAccessAclName));
    EXPECT_EQ(list(file.node, kAccessAclName)->mode(), 0600u);
}

TEST_F(AclTest, AListThatIsAModeIsKeptAsOne) {
    const NodeId file = must(tree().create({}, c_, "file", 04644, {})).attributes.node;
    must(set(file, kAccessAclName, named_list()));
    EXPECT_EQ(mode(file), 04770u);
    EXPECT_EQ(names(file), std::vector<std::string>{std::string(kAccessAclName)});
    must(set(file, kAccessAclName, plain_list()));
    EXPECT_EQ(mode(file), 04642u);
    EXPECT_TRUE(names(file).empty());

    const auto folder = must(tree().make_directory({}, c_, "folder", 0777));
    must(set(folder.node, kDefaultAclName, plain_list()));
    const auto made = must(tree().create({}, folder.node, "file", 0777, {})).attributes;
    EXPECT_EQ(made.mode, 0642u);
    EXPECT_TRUE(names(made.node).empty());
}

TEST_F(AclTest, ChmodAndTheListStayInStep) {
    const NodeId file = must(tree().create({}, c_, "file", 0644, {})).attributes.node;
    must(set(file, kAccessAclName, named_list()));
    chmod(file, 0641);
    EXPECT_EQ(mode(file), 0641u);
    const PosixAcl now = *list(file, kAccessAclName);
    EXPECT_EQ(now.mode(), 0641u);
    EXPECT_EQ(now.entries()[2], (AclEntry{AclTag::kGroup, 5, AclEntry::kNobody}));
    must(tree().remove_xattr(file, kAccessAclName));
    EXPECT_EQ(mode(file), 0641u);
    EXPECT_FALSE(list(file, kAccessAclName));
    must(tree().remove_xattr(file, kAccessAclName));  // there is no more to remove: fine
}

TEST_F(AclTest, OnlyWhatMakesSenseIsTaken) {
    const NodeId file = must(tree().create({}, c_, "file", 0644, {})).attributes.node;
    const NodeId link = must(tree().make_symlink({}, c_, "link", "x")).node;
    EXPECT_EQ(set(file, kDefaultAclName, named_list()).error().code(), Errc::kAccessDenied);
    EXPECT_EQ(set(link, kAccessAclName, named_list()).error().code(), Errc::kUnsupported);
    EXPECT_EQ(set(file, kAccessAclName, bytes_of("nonsense")).error().code(), Errc::kInvalid);
    EXPECT_EQ(set(file, "system.posix_acl_other", named_list()).error().code(), Errc::kUnsupported);
    EXPECT_EQ(mode(file), 0644u);
    EXPECT_TRUE(names(file).empty());
    const auto with = [&](XattrMode how) {
        return tree().set_xattr(file, kAccessAclName, named_list(), how, SetGid::kKeep);
    };
    EXPECT_EQ(with(XattrMode::kReplace).error().code(), Errc::kNoAttribute);
    must(with(XattrMode::kCreate));
    EXPECT_EQ(with(XattrMode::kCreate).error().code(), Errc::kExists);
    must(with(XattrMode::kReplace));
}

TEST_F(AclTest, SgidGoesWhenTheCallerMayNotKeepIt) {
    const NodeId file = must(tree().create({}, c_, "file", 06755, {})).attributes.node;
    must(set(file, kAccessAclName, named_list()));
    EXPECT_EQ(mode(file), 06770u);
    must(set(file, kAccessAclName, plain_list(), SetGid::kClear));
    EXPECT_EQ(mode(file), 04642u);
    chmod(file, 06755);
    must(set(file, kAccessAclName, named_list(), SetGid::kClear));
    EXPECT_EQ(mode(file), 04770u);
}

TEST_F(AclTest, OtherAttributesLiveBesideLists) {
    const auto folder = must(tree().make_directory({}, c_, "folder", 0777));
    must(set(folder.node, "user.a", bytes_of("1")));
    must(set(folder.node, kAccessAclName, named_list()));
    must(set(folder.node, kDefaultAclName, named_list()));
    EXPECT_EQ(names(folder.node).size(), 3u);
    must(set(folder.node, kAccessAclName, plain_list()));
    must(tree().remove_xattr(folder.node, kDefaultAclName));
    EXPECT_EQ(names(folder.node), std::vector<std::string>{"user.a"});
    EXPECT_EQ(must(tree().create(caller_, folder.node, "file", 0666, {})).attributes.mode, 0640u);
}

TEST_F(AclTest, AnUploadInheritsWithTheFoldersMadeForIt) {
    must(set(c_, kDefaultAclName, named_list()));
    for (bool streaming : {false, true}) {
        const std::string folder = streaming ? "live" : "whole";
        UploadOptions options;
        options.ticket = tree().draw_ticket();
        options.streaming = streaming;
        options.mime_type = "video/mp2t";
        auto upload = must(tree().begin_upload("c", {folder, "deep", "o"}, options));
        must(upload->append(bytes_of("some bytes")));
        if (streaming) {
            const auto shown = must(tree().resolve(c_, {folder, "deep", "o"}));
            EXPECT_EQ(shown.mode, 0640u);
            chmod(shown.node, 0600);  // and it stays so
        }
        upload->complete();
        must(upload->make_durable());
        must(upload->publish(std::vector<std::byte>(32)));
        upload.reset();
        for (const Components& path : {Components{folder}, Components{folder, "deep"}}) {
            const auto made = must(tree().resolve(c_, path));
            EXPECT_EQ(made.mode, 0750u);
            EXPECT_EQ(list(made.node, kAccessAclName)->mode(), 0750u);
            EXPECT_EQ(list(made.node, kDefaultAclName), must(PosixAcl::parse(named_list())));
        }
        const auto object = must(tree().resolve(c_, {folder, "deep", "o"}));
        EXPECT_EQ(object.mode, streaming ? 0600u : 0640u);
        EXPECT_EQ(list(object.node, kAccessAclName)->mode(), object.mode);
        EXPECT_EQ(text_of(must(tree().get_xattr(object.node, "user.mime_type"))), "video/mp2t");
    }
}

}  // namespace
}  // namespace reelfs::core
