#include "fuse/invalidator.h"

#include <gtest/gtest.h>

#include <future>
#include <string>
#include <vector>

namespace reelfs::fuse {
namespace {

/// Writes down what it is told, and can be made to wait in a delivery like a kernel does.
class FakeKernel final : public KernelCache {
  public:
    void forget_name(std::uint64_t parent, const std::string& name) override {
        note("name " + std::to_string(parent) + " " + name);
    }
    void forget_node(std::uint64_t ino) override { note("node " + std::to_string(ino)); }

    void block() {
        MutexLock lock(mutex_);
        blocked_ = true;
    }
    void unblock() {
        MutexLock lock(mutex_);
        blocked_ = false;
        changed_.notify_all();
    }
    void wait_until_in_delivery() {
        MutexLock lock(mutex_);
        while (!delivering_) changed_.wait(mutex_);
    }
    std::vector<std::string> told() {
        MutexLock lock(mutex_);
        return told_;
    }

  private:
    void note(std::string what) {
        MutexLock lock(mutex_);
        delivering_ = true;
        changed_.notify_all();
        while (blocked_) changed_.wait(mutex_);
        delivering_ = false;
        told_.push_back(std::move(what));
    }
    Mutex mutex_;
    CondVar changed_;
    bool blocked_ GUARDED_BY(mutex_) = false;
    bool delivering_ GUARDED_BY(mutex_) = false;
    std::vector<std::string> told_ GUARDED_BY(mutex_);
};

TEST(Invalidator, DeliversInOrderWithTheNumbersOfTheMount) {
    FakeKernel kernel;
    Invalidator invalidator(kernel, NodeIds(NodeId{57}));
    invalidator.entry_changed(NodeId{57}, "a");
    invalidator.content_changed(NodeId{60});
    invalidator.entry_changed(kRootNode, "container");  // not a place in this mount
    invalidator.content_changed(kRootNode);
    invalidator.flush();
    EXPECT_EQ(kernel.told(), (std::vector<std::string>{"name 1 a", "node 1", "node 60"}));
}

TEST(Invalidator, FlushWaitsForWhatWasQueuedBefore) {
    FakeKernel kernel;
    Invalidator invalidator(kernel, NodeIds(kRootNode));
    kernel.block();
    invalidator.content_changed(NodeId{5});
    auto flushed = std::async(std::launch::async, [&] { invalidator.flush(); });
    kernel.wait_until_in_delivery();
    EXPECT_NE(flushed.wait_for(std::chrono::milliseconds(20)), std::future_status::ready);
    kernel.unblock();
    flushed.get();
    EXPECT_EQ(kernel.told().size(), 1u);
    invalidator.flush();  // nothing queued: returns at once
}

TEST(Invalidator, AFullQueueMakesTheChangerWaitForRoom) {
    FakeKernel kernel;
    Invalidator invalidator(kernel, NodeIds(kRootNode), 2);
    kernel.block();
    invalidator.content_changed(NodeId{10});
    kernel.wait_until_in_delivery();  // the queue is empty again, its thread is busy
    invalidator.content_changed(NodeId{11});
    invalidator.content_changed(NodeId{12});
    auto third = std::async(std::launch::async, [&] { invalidator.content_changed(NodeId{13}); });
    EXPECT_NE(third.wait_for(std::chrono::milliseconds(20)), std::future_status::ready);
    kernel.unblock();
    third.get();
    invalidator.flush();
    EXPECT_EQ(kernel.told(),
              (std::vector<std::string>{"node 10", "node 11", "node 12", "node 13"}));
}

TEST(Invalidator, StopWakesAllWhoWait) {
    FakeKernel kernel;
    Invalidator invalidator(kernel, NodeIds(kRootNode), 1);
    kernel.block();
    invalidator.content_changed(NodeId{10});
    kernel.wait_until_in_delivery();
    invalidator.content_changed(NodeId{11});
    auto blocked = std::async(std::launch::async, [&] { invalidator.content_changed(NodeId{12}); });
    auto flushed = std::async(std::launch::async, [&] { invalidator.flush(); });
    auto stopped = std::async(std::launch::async, [&] { invalidator.stop(); });
    blocked.get();
    flushed.get();
    kernel.unblock();
    stopped.get();
    invalidator.content_changed(NodeId{14});  // dropped, does not wait
    EXPECT_EQ(kernel.told(), (std::vector<std::string>{"node 10"}));
}

}  // namespace
}  // namespace reelfs::fuse
