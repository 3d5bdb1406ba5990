#include "app/store_lock.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

namespace reelfs::app {
namespace {

class StoreLockTest : public testing::Test {
  protected:
    StoreLockTest() {
        std::string name = std::filesystem::temp_directory_path() / "reelfs-lock-XXXXXX";
        store_ = ::mkdtemp(name.data());
    }
    ~StoreLockTest() override { std::filesystem::remove_all(store_); }
    std::string store_;
};

LockRecord a_daemon() {
    return {.pid = ::getpid(),
            .mountpoint = "/srv/with \"quotes\" and spaces",
            .http = "127.0.0.1:8787",
            .https = "127.0.0.1:8788",
            .admin = "",
            .socket = "/run/reelfs/x.sock",
            .started = "2026-03-04T05:06:07Z",
            .stopping = false};
}

TEST(LockRecordTest, SurvivesTheRoundTrip) {
    EXPECT_EQ(decode_lock_record(encode_lock_record(a_daemon())), a_daemon());
}

TEST(LockRecordTest, WhatIsNoRecordIsNothing) {
    EXPECT_EQ(decode_lock_record(""), std::nullopt);
    EXPECT_EQ(decode_lock_record("{}"), std::nullopt);
    EXPECT_EQ(decode_lock_record("{\"pid\":0}"), std::nullopt);
    EXPECT_EQ(decode_lock_record("{\"pid\":-5}"), std::nullopt);
    EXPECT_EQ(decode_lock_record("{\"pid\":4,\"pid\":5}"), std::nullopt);
    EXPECT_EQ(decode_lock_record("{\"pid\":12"), std::nullopt);
    EXPECT_EQ(decode_lock_record(std::string(5000, '[')), std::nullopt);
}

TEST_F(StoreLockTest, ASecondTakerIsToldWhoHoldsIt) {
    auto first = StoreLock::acquire(store_, 0);
    ASSERT_TRUE(first.ok());
    ASSERT_TRUE(first->describe_as(a_daemon()).ok());
    auto second = StoreLock::acquire(store_, 60'000);  // refused at once: a daemon stays
    ASSERT_FALSE(second.ok());
    EXPECT_EQ(second.error().code(), Errc::kBusy);
    for (const char* part : {"/srv/with", "http://127.0.0.1:8787/", "reelfs umount"})
        EXPECT_NE(second.error().message().find(part), std::string::npos) << part;
    EXPECT_FALSE(check_not_served(store_).ok());
}

TEST_F(StoreLockTest, TheHolderIsFoundWhileItHoldsAndNotAfter) {
    EXPECT_EQ(*find_holder(store_), std::nullopt);
    {
        auto lock = StoreLock::acquire(store_, 0);
        ASSERT_TRUE(lock.ok());
        ASSERT_TRUE(lock->describe_as(a_daemon()).ok());
        EXPECT_EQ(*find_holder(store_), a_daemon());
    }
    EXPECT_EQ(*find_holder(store_), std::nullopt);
    EXPECT_TRUE(StoreLock::acquire(store_, 0).ok());
}

TEST_F(StoreLockTest, ADrainingDaemonIsWaitedFor) {
    int ready[2];
    int go[2];
    ASSERT_EQ(::pipe(ready), 0);
    ASSERT_EQ(::pipe(go), 0);
    const pid_t child = ::fork();
    if (child == 0) {
        auto lock = StoreLock::acquire(store_, 0);
        LockRecord record = a_daemon();
        record.pid = ::getpid();
        record.stopping = true;
        char byte = lock && lock->describe_as(record) ? 'y' : 'n';
        [[maybe_unused]] ssize_t n = ::write(ready[1], &byte, 1);
        n = ::read(go[0], &byte, 1);
        ::_exit(0);  // like a kill: the lock goes with the process
    }
    char byte = 0;
    ASSERT_EQ(::read(ready[0], &byte, 1), 1);
    ASSERT_EQ(byte, 'y');
    EXPECT_FALSE(StoreLock::acquire(store_, 0).ok());
    ASSERT_EQ(::write(go[1], "g", 1), 1);
    EXPECT_TRUE(wait_for_exit(child, 10'000));
    EXPECT_TRUE(StoreLock::acquire(store_, 10'000).ok());
    ::waitpid(child, nullptr, 0);
    for (int fd : {ready[0], ready[1], go[0], go[1]}) ::close(fd);
}

TEST_F(StoreLockTest, AHolderThatDoesNotDescribeItselfIsKnownByItsProcess) {
    auto lock = StoreLock::acquire(store_, 0);
    ASSERT_TRUE(lock.ok());
    EXPECT_TRUE(std::filesystem::is_empty(store_ + "/lock"));
    auto holder = find_holder(store_);
    ASSERT_TRUE(holder.ok() && holder->has_value());
    EXPECT_EQ((*holder)->pid, ::getpid());
    EXPECT_EQ((*holder)->socket, "");
}

TEST_F(StoreLockTest, AMissingStoreIsNotFound) {
    auto lock = StoreLock::acquire(store_ + "/nowhere", 0);
    ASSERT_FALSE(lock.ok());
    EXPECT_EQ(lock.error().code(), Errc::kNotFound);
}

}  // namespace
}  // namespace reelfs::app
