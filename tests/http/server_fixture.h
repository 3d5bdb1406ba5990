// A server on a free loopback port over a fake tree, with clocks a test can move.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>

#include "fake_tree.h"
#include "http/server_limits.h"
#include "raw_client.h"
#include "reelfs/base/clock.h"
#include "reelfs/base/metrics.h"

namespace reelfs::http {

/// The machine's clocks, ahead by what a test says.
class MovableClock final : public Clock {
  public:
    Timestamp now() const override { return {system_.now().ns + ahead_ns_}; }
    std::int64_t monotonic_ns() const override { return system_.monotonic_ns() + ahead_ns_; }
    void advance_ms(std::int64_t ms) { ahead_ns_ += ms * 1'000'000; }

  private:
    SystemClock system_;
    std::atomic<std::int64_t> ahead_ns_{0};
};

class ServerTest : public ::testing::Test {
  protected:
    ServerTest() { limits_.tick_ms = 2; }
    ~ServerTest() override { server_.reset(); }

    void start() {
        ServerOptions options = options_;
        options.http = Endpoint{"127.0.0.1", 0};
        options.admin = Endpoint{"127.0.0.1", 0};
        auto started = start_limited_server(tree_, clock_, metrics_, options, limits_);
        ASSERT_TRUE(started.ok()) << started.error().message();
        server_ = std::move(started).value();
    }
    RawClient client(int receive_buffer = 0) {
        if (!server_) start();
        return RawClient(*server_->http(), receive_buffer);
    }
    RawClient admin_client() {
        if (!server_) start();
        return RawClient(*server_->admin());
    }
    /// The value of one line of /metrics.
    std::string metric(const std::string& name_and_labels) {
        const std::string text = "\n" + admin_client().get("/metrics").body;
        const std::size_t at = text.find("\n" + name_and_labels + " ");
        if (at == std::string::npos) return "";
        const std::size_t value = at + name_and_labels.size() + 2;
        return text.substr(value, text.find('\n', value) - value);
    }

    FakeTree tree_;
    MovableClock clock_;
    Metrics metrics_;
    ServerOptions options_;
    ServerLimits limits_;
    std::unique_ptr<Server> server_;
};

inline std::string patterned(std::size_t bytes) {
    std::string text(bytes, '\0');
    std::uint32_t value = 1;
    for (char& c : text) {
        value = value * 1664525 + 1013904223;
        c = static_cast<char>(value >> 24);
    }
    return text;
}

}  // namespace reelfs::http
