// What leaves for the kernel, seen on the other end of a socket.
#include "fuse/reply.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <stdexcept>

#include "fuse/fake_tree.h"
#include "fuse/ops.h"
#include "fuse/raw_session.h"

namespace reelfs::fuse {
namespace {

class ReplyTest : public ::testing::Test {
  protected:
    /// What one GETATTR gives when it is answered by `callback`.
    std::vector<test::RawReply> getattr_with(decltype(fuse_lowlevel_ops::getattr) callback) {
        fuse_lowlevel_ops operations{};
        operations.getattr = callback;
        test::RawSession session(door_, operations);
        fuse_getattr_in body{};
        return session.send(FUSE_GETATTR, 1, std::as_bytes(std::span(&body, 1)));
    }
    std::uint64_t requests(std::string_view operation) {
        return metrics_.operation("mount", operation).requests.load();
    }
    std::uint64_t failures(std::string_view operation) {
        return metrics_.operation("mount", operation).failures.load();
    }

    test::FakeTree tree_;
    SystemClock clock_;
    Metrics metrics_;
    Door door_{tree_, clock_, metrics_, MountOptions{}};
};

TEST_F(ReplyTest, AnAnswerLeavesOnceAndIsMeasuredOnce) {
    auto replies = getattr_with([](fuse_req_t request, fuse_ino_t, fuse_file_info*) {
        answer(request, Operation::kGetattr, [](Door&, Reply& reply) {
            Reply moved = std::move(reply);
            EXPECT_FALSE(reply.pending());
            std::move(moved).error_number(ENOENT);
            EXPECT_FALSE(moved.pending());
        });
    });
    ASSERT_EQ(replies.size(), 1u);
    EXPECT_EQ(replies[0].error, ENOENT);
    EXPECT_EQ(requests("getattr"), 1u);
    EXPECT_EQ(failures("getattr"), 0u) << "an absent name is no failure of the service";
}

TEST_F(ReplyTest, AForgottenAnswerIsEio) {
    auto replies = getattr_with([](fuse_req_t request, fuse_ino_t, fuse_file_info*) {
        answer(request, Operation::kGetattr, [](Door&, Reply&) {});
    });
    ASSERT_EQ(replies.size(), 1u);
    EXPECT_EQ(replies[0].error, EIO);
    EXPECT_EQ(failures("getattr"), 1u);
}

TEST_F(ReplyTest, AnExceptionIsEio) {
    auto replies = getattr_with([](fuse_req_t request, fuse_ino_t, fuse_file_info*) {
        answer(request, Operation::kGetattr,
               [](Door&, Reply&) { throw std::runtime_error("thrown by the test"); });
    });
    ASSERT_EQ(replies.size(), 1u);
    EXPECT_EQ(replies[0].error, EIO);
}

TEST_F(ReplyTest, AnExceptionOfAnyTypeAfterTheAnswerLeavesNothingMore) {
    auto replies = getattr_with([](fuse_req_t request, fuse_ino_t, fuse_file_info*) {
        answer(request, Operation::kGetattr, [](Door&, Reply& reply) {
            std::move(reply).ok();
            throw 42;
        });
    });
    ASSERT_EQ(replies.size(), 1u);
    EXPECT_EQ(replies[0].error, 0);
    EXPECT_EQ(requests("getattr"), 1u);
}

TEST_F(ReplyTest, BytesAreCountedWithTheirOperation) {
    test::RawSession session(door_, ops::table(true));
    auto made = tree_.create({}, kRootNode, "f", 0644, {true, true});
    ASSERT_TRUE(made.ok());
    auto handle = door_.files.insert(made->file);
    struct {
        fuse_write_in head{};
        char bytes[5] = {'h', 'e', 'l', 'l', 'o'};
    } write;
    write.head.fh = *handle;
    write.head.size = 5;
    Bytes all = std::as_bytes(std::span(&write, 1)).first(sizeof(fuse_write_in) + 5);
    auto replies = session.send(FUSE_WRITE, made->attributes.node.value(), all);
    ASSERT_EQ(replies.size(), 1u);
    EXPECT_EQ(replies[0].error, 0);
    EXPECT_EQ(metrics_.operation("mount", "write").bytes.load(), 5u);
    EXPECT_EQ(tree_.last_writer().uid, 1000u);

    fuse_read_in read{};
    read.fh = *handle;
    read.size = 4096;
    replies =
        session.send(FUSE_READ, made->attributes.node.value(), std::as_bytes(std::span(&read, 1)));
    ASSERT_EQ(replies.size(), 1u);
    EXPECT_EQ(text_of(replies[0].body), "hello");
    EXPECT_EQ(metrics_.operation("mount", "read").bytes.load(), 5u);
    tree_.release(door_.files.take(*handle));
}

TEST_F(ReplyTest, AStaleHandleIsEbadf) {
    test::RawSession session(door_, ops::table(true));
    fuse_read_in read{};
    read.fh = 12345;
    auto replies = session.send(FUSE_READ, 1, std::as_bytes(std::span(&read, 1)));
    ASSERT_EQ(replies.size(), 1u);
    EXPECT_EQ(replies[0].error, EBADF);
    fuse_release_in release{};
    replies = session.send(FUSE_RELEASE, 1, std::as_bytes(std::span(&release, 1)));
    ASSERT_EQ(replies.size(), 1u);
    EXPECT_EQ(replies[0].error, EBADF);
}

TEST_F(ReplyTest, AnOpenThatNobodyWaitsForGivesItsHandleBack) {
    test::RawSession session(door_, ops::table(true));
    auto made = tree_.make_node({}, kRootNode, "f", {NodeType::kFile, 0644, 0});
    ASSERT_TRUE(made.ok());
    struct {
        fuse_create_in head{};
        char name[2] = "g";
    } create;
    create.head.mode = 0644;
    Bytes creation = std::as_bytes(std::span(&create, 1)).first(sizeof(fuse_create_in) + 2);
    fuse_open_in open{};
    Bytes opening = std::as_bytes(std::span(&open, 1));
    test::RawSession::caller_is_gone() = true;
    EXPECT_TRUE(session.send(FUSE_CREATE, 1, creation).empty());
    EXPECT_TRUE(session.send(FUSE_OPEN, made->node.value(), opening).empty());
    EXPECT_TRUE(session.send(FUSE_OPENDIR, 1, opening).empty());
    test::RawSession::caller_is_gone() = false;
    EXPECT_EQ(tree_.open_files, 0);
    EXPECT_TRUE(door_.files.take_all().empty());
    EXPECT_TRUE(door_.directories.take_all().empty());
    EXPECT_TRUE(tree_.lookup(kRootNode, "g").ok());
    EXPECT_TRUE(tree_.known().empty());
}

TEST_F(ReplyTest, OnlyWhatArrivesIsKnown) {
    test::RawSession session(door_, ops::table(true));
    auto made = tree_.make_node({}, kRootNode, "f", {NodeType::kFile, 0644, 0});
    ASSERT_TRUE(made.ok());
    fuse_open_in open{};
    auto opened = session.send(FUSE_OPENDIR, 1, std::as_bytes(std::span(&open, 1)));
    ASSERT_EQ(opened.size(), 1u);
    fuse_read_in read{};
    std::memcpy(&read.fh, opened[0].body.data(), sizeof read.fh);
    read.size = 4096;
    const Bytes listing = std::as_bytes(std::span(&read, 1));
    const Bytes name = std::as_bytes(std::span("f"));
    const Bytes absent = std::as_bytes(std::span("g"));
    for (const bool gone : {true, false}) {
        test::RawSession::caller_is_gone() = gone;
        session.send(FUSE_LOOKUP, 1, name);
        session.send(FUSE_LOOKUP, 1, absent);
        session.send(FUSE_READDIRPLUS, 1, listing);
        session.send(FUSE_READDIR, 1, listing);
        test::RawSession::caller_is_gone() = false;
        const std::int64_t times = gone ? 0 : 2;
        EXPECT_EQ(tree_.known()[made->node], times);
        EXPECT_EQ(tree_.known().size(), gone ? 0u : 1u);
    }
    fuse_forget_in forget{2};
    session.send(FUSE_FORGET, made->node.value(), std::as_bytes(std::span(&forget, 1)));
    EXPECT_TRUE(tree_.known().empty());
    EXPECT_EQ(requests("forget"), 1u);
    fuse_release_in release{};
    release.fh = read.fh;
    session.send(FUSE_RELEASEDIR, 1, std::as_bytes(std::span(&release, 1)));
}

TEST_F(ReplyTest, ACreateThatLostARaceAsksTheKernelToLookAgain) {
    test::RawSession session(door_, ops::table(true));
    ASSERT_TRUE(tree_.make_node({}, kRootNode, "f", {NodeType::kFile, 0644, 0}).ok());
    struct {
        fuse_create_in head{};
        char name[2] = "f";
    } create;
    Bytes creation = std::as_bytes(std::span(&create, 1)).first(sizeof(fuse_create_in) + 2);
    auto replies = session.send(FUSE_CREATE, 1, creation);
    ASSERT_EQ(replies.size(), 1u);
    EXPECT_EQ(replies[0].error, ESTALE);
    create.head.flags = O_EXCL;
    replies = session.send(FUSE_CREATE, 1, creation);
    ASSERT_EQ(replies.size(), 1u);
    EXPECT_EQ(replies[0].error, EEXIST);
}

TEST_F(ReplyTest, ForgetIsNeverAnswered) {
    test::RawSession session(door_, ops::table(true));
    fuse_forget_in forget{1};
    EXPECT_TRUE(session.send(FUSE_FORGET, 77, std::as_bytes(std::span(&forget, 1))).empty());
    struct {
        fuse_batch_forget_in head{2, 0};
        fuse_forget_one nodes[2] = {{77, 1}, {78, 1}};
    } batch;
    EXPECT_TRUE(session.send(FUSE_BATCH_FORGET, 0, std::as_bytes(std::span(&batch, 1))).empty());
}

TEST_F(ReplyTest, RandomRequestsGetAtMostOneAnswerEach) {
    test::RawSession session(door_, ops::table(true));
    std::uint64_t state = 88172645463325252ull;  // xorshift: the same run each time
    auto next = [&state] {
        state ^= state << 13;
        state ^= state >> 7;
        return state ^= state << 17;
    };
    for (int i = 0; i < 2000; ++i) {
        constexpr std::uint32_t kOpcodes[] = {
            FUSE_GETATTR, FUSE_READ,    FUSE_RELEASE,    FUSE_FLUSH,     FUSE_FSYNC, FUSE_STATFS,
            FUSE_READDIR, FUSE_OPENDIR, FUSE_RELEASEDIR, FUSE_FALLOCATE, FUSE_LSEEK, FUSE_FSYNCDIR};
        std::vector<std::byte> body(256);
        for (auto& byte : body) byte = static_cast<std::byte>(next());
        std::memset(body.data() + 16, 0, 4);  // READ, READDIR: a size the C library can serve
        auto replies = session.send(kOpcodes[next() % std::size(kOpcodes)], next() % 3, body);
        EXPECT_EQ(replies.size(), 1u);
    }
}

}  // namespace
}  // namespace reelfs::fuse
