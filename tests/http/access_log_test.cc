// The access log: its lines, rotation, and what happens when it cannot be written.
#include "http/access_log.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "support/temp_dir.h"

namespace reelfs::http {
namespace {

std::string content(const std::string& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
}

std::unique_ptr<AccessLog> opened(const std::string& path, std::size_t queue = 1 << 20) {
    auto log = AccessLog::open(path, queue);
    EXPECT_TRUE(log.ok()) << (log.ok() ? "" : log.error().message());
    return log.ok() ? *std::move(log) : nullptr;
}

TEST(AccessLine, HasEveryFieldOfMediaStore) {
    const AccessRecord record{.account = "111122223333",
                              .container = "live",
                              .operation = "GetObject",
                              .path = "/a/b.ts",
                              .request_id = "id",
                              .requester = "anonymous",
                              .source = "192.0.2.1",
                              .status = 206,
                              .error = "",
                              .expires = {},
                              .received = Timestamp{1'563'571'859'379'000'000},
                              .bytes_received = 0,
                              .bytes_sent = 7,
                              .total_ns = 12'900'000,
                              .turnaround_ns = 3'000'000};
    EXPECT_EQ(access_line(record),
              R"({"AWSAccountId":"111122223333","BytesReceived":0,"BytesSent":7,)"
              R"("ContainerName":"live","ErrorCode":null,"ExpiresAt":null,"HTTPStatus":206,)"
              R"("Operation":"GetObject","Path":"/a/b.ts",)"
              R"("ReceivedTime":"2019-07-19T21:30:59.379Z","RequestID":"id",)"
              R"("Source":"192.0.2.1","TotalTime":12,"TurnAroundTime":3,)"
              R"("Requester":"anonymous"})"
              "\n");
}

TEST(AccessLine, WhatIsNotKnownIsNullOrMissing) {
    AccessRecord record;
    record.error = "AccessDeniedException";
    record.path = "/\xff\n\"";
    record.expires = Timestamp{0};
    const std::string line = access_line(record);
    EXPECT_EQ(line.find('\n'), line.size() - 1);
    const auto parsed = nlohmann::json::parse(line);
    EXPECT_FALSE(parsed.contains("Requester"));
    EXPECT_TRUE(parsed["Source"].is_null());
    EXPECT_EQ(parsed["ErrorCode"], "AccessDeniedException");
    EXPECT_EQ(parsed["Path"], "/\xef\xbf\xbd\n\"");
    EXPECT_EQ(parsed["ExpiresAt"], "1970-01-01T00:00:00.000Z");
    record.path.clear();
    EXPECT_EQ(nlohmann::json::parse(access_line(record))["Path"], "-");
}

TEST(AccessLog, LinesAreAppendedToAFileOfItsOwnersOnly) {
    test::TempDir directory;
    const std::string path = directory / "access.log";
    for (int round = 0; round < 2; ++round) {
        auto log = opened(path);
        for (int i = 0; i < 1'000; ++i) log->write("line " + std::to_string(i) + "\n");
        log.reset();
    }
    std::string all;
    for (int i = 0; i < 2'000; ++i) all += "line " + std::to_string(i % 1'000) + "\n";
    EXPECT_EQ(content(path), all);
    struct stat status {};
    ASSERT_EQ(::stat(path.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 07777, 0600u);
}

TEST(AccessLog, AfterReopenLinesGoToTheNewFile) {
    test::TempDir directory;
    const std::string path = directory / "access.log";
    auto log = opened(path);
    std::filesystem::rename(path, directory / "access.log.1");
    log->write("before\n");
    ASSERT_TRUE(log->reopen().ok());
    EXPECT_TRUE(std::filesystem::exists(path));
    log->write("after\n");
    log.reset();
    const std::string now = content(path);
    EXPECT_EQ(content(directory / "access.log.1") + now, "before\nafter\n");
    EXPECT_TRUE(now.ends_with("after\n"));
}

TEST(AccessLog, AFileThatCannotBeMadeIsAnErrorAndReopenKeepsTheFormer) {
    test::TempDir directory;
    EXPECT_EQ(AccessLog::open(directory / "none/access.log", 1).error().code(), Errc::kNotFound);
    const std::string folder = directory / "folder";
    std::filesystem::create_directory(folder);
    auto log = opened(folder + "/access.log");
    std::filesystem::rename(folder, directory / "moved");
    EXPECT_FALSE(log->reopen().ok());
    log->write("still\n");
    log.reset();
    EXPECT_EQ(content(directory / "moved/access.log"), "still\n");
}

TEST(AccessLog, LinesThatCannotBeWrittenAreCountedAndDelayNobody) {
    auto log = opened("/dev/full");
    for (int i = 0; i < 3; ++i) log->write("line\n");
    // A line longer than the queue is dropped at once; others when the device refuses them.
    log->write(std::string(2 << 20, 'x'));
    EXPECT_GE(log->dropped(), 1u);
    log.reset();
}

TEST(AccessLog, AFullQueueDropsAndSaysHowMany) {
    test::TempDir directory;
    const std::string path = directory / "fifo";
    ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
    // A reader that does not read: the pipe fills, and then the queue.
    Fd reader(::open(path.c_str(), O_RDONLY | O_NONBLOCK));
    ASSERT_TRUE(reader);
    auto log = opened(path, 4'096);
    const std::string line(1'023, 'x');
    constexpr int kLines = 1'000;
    for (int i = 0; i < kLines; ++i) log->write(line + "\n");
    const std::uint64_t dropped = log->dropped();
    EXPECT_GT(dropped, 0u);
    EXPECT_LT(dropped, static_cast<std::uint64_t>(kLines));
    // What was not dropped arrives, whole.
    std::string got;
    std::thread drain([&] {
        std::array<char, 4'096> piece{};
        const std::size_t want = (kLines - dropped) * (line.size() + 1);
        while (got.size() < want) {
            pollfd waiting{.fd = reader.get(), .events = POLLIN, .revents = 0};
            ::poll(&waiting, 1, 10'000);
            const ssize_t n = ::read(reader.get(), piece.data(), piece.size());
            if (n <= 0) break;
            got.append(piece.data(), static_cast<std::size_t>(n));
        }
    });
    log.reset();
    drain.join();
    EXPECT_EQ(got.size(), (kLines - dropped) * (line.size() + 1));
}

}  // namespace
}  // namespace reelfs::http
