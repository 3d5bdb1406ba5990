// A mount that is served by its own thread for the length of a test and is gone after it, whatever
// happened in between.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <unistd.h>

#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <thread>

#include "fuse/session.h"

namespace reelfs::fuse::test {

/// An empty directory that is removed at the end, with whatever is still mounted on it detached.
class TemporaryDirectory {
  public:
    TemporaryDirectory() {
        char pattern[] = "/tmp/reelfs-fuse-test-XXXXXX";
        path_ = mkdtemp(pattern);
    }
    ~TemporaryDirectory() {
        umount2(path_.c_str(), MNT_FORCE | MNT_DETACH);
        rmdir(path_.c_str());
    }
    TemporaryDirectory(const TemporaryDirectory&) = delete;
    TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
    const std::string& path() const { return path_; }

  private:
    std::string path_;
};

inline bool is_mounted(const std::string& path) {
    std::ifstream mounts("/proc/self/mounts");
    std::string all{std::istreambuf_iterator<char>(mounts), {}};
    return all.find(" " + path + " ") != std::string::npos;
}

class LiveMount {
  public:
    LiveMount(core::Tree& tree, const Clock& clock, MountOptions options = {}) {
        options.mountpoint = directory_.path();
        if (options.source.empty()) options.source = "a,store\\with specials";
        auto started = Session::start(tree, clock, metrics_, options, local_attachment(options));
        if (!started) {
            ADD_FAILURE() << started.error().message();
            return;
        }
        session_ = *std::move(started);
        server_ = std::thread([this] { served_ = session_->serve(); });
    }
    ~LiveMount() { stop(); }

    bool ok() const { return session_ != nullptr; }
    const std::string& path() const { return directory_.path(); }
    std::string operator/(std::string_view name) const {
        return directory_.path() + "/" + std::string(name);
    }
    Session& session() { return *session_; }
    Metrics& metrics() { return metrics_; }
    /// Waits for serve() to return; true when it did so without an error.
    bool join() {
        if (server_.joinable()) server_.join();
        EXPECT_TRUE(served_.ok()) << served_.error().message();
        return served_.ok();
    }
    void stop() {
        // Forced, so that a file which a failed test left open cannot keep the mount alive.
        if (server_.joinable() && umount2(directory_.path().c_str(), MNT_FORCE | MNT_DETACH) != 0) {
            EXPECT_TRUE(session_->unmount(true).ok());  // an ordinary user
        }
        join();
        session_.reset();
    }

  private:
    Metrics metrics_;
    TemporaryDirectory directory_;
    std::unique_ptr<Session> session_;
    std::thread server_;
    Result<void> served_;
};

}  // namespace reelfs::fuse::test
