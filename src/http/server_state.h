// What all connections of one server share. Nothing of the network library in here, so that what
// answers requests compiles without it.
//
// Threads: every member is constant, atomic or locks itself. Outlives every connection.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "http/access_log.h"
#include "http/challenges.h"
#include "http/client_places.h"
#include "http/peer_faults.h"
#include "http/server_limits.h"
#include "http/window_budget.h"
#include "http/worker_pool.h"
#include "reelfs/base/clock.h"
#include "reelfs/base/metrics.h"
#include "reelfs/base/mutex.h"
#include "reelfs/core/tree.h"
#include "reelfs/http/server.h"

namespace reelfs::http {

/// Connections open now; refuses beyond its limit, and lets stop() wait for the last.
class ConnectionCount {
  public:
    explicit ConnectionCount(std::size_t max) : max_(max) {}
    bool try_enter() EXCLUDES(mutex_);
    void leave() EXCLUDES(mutex_);
    std::size_t value() const EXCLUDES(mutex_);
    /// False when `timeout_ms` passed first.
    bool wait_for_none(std::int64_t timeout_ms) EXCLUDES(mutex_);
    void wait_for_none() EXCLUDES(mutex_);

  private:
    const std::size_t max_;
    mutable Mutex mutex_;
    CondVar none_;
    std::size_t value_ GUARDED_BY(mutex_) = 0;
};

struct ServerState {
    ServerState(core::Tree& tree, const Clock& clock, Metrics& metrics,
                const ServerOptions& options, const ServerLimits& limits);

    core::Tree& tree;
    const Clock& clock;
    Metrics& metrics;
    const ServerOptions options;
    const ServerLimits limits;

    OperationMeter& get_object;
    OperationMeter& follow_object;  // GETs of growing files: their length says nothing about us
    OperationMeter& head_object;
    OperationMeter& put_object;
    OperationMeter& delete_object;
    OperationMeter& list_items;
    OperationMeter& other;

    ConnectionCount connections;
    ClientPlaces clients;
    std::atomic<std::size_t> followers{0};
    std::atomic<std::size_t> held{0};                // requests that wait for what they ask for
    std::atomic<std::uint64_t> unlistable_names{0};  // passed over by ListItems
    std::atomic<std::uint64_t> refused_ingests{0};
    std::atomic<std::uint64_t> challenged_ingests{0};
    PeerFaults peer_faults;
    Challenges challenges{limits::http_challenges_max};
    std::atomic<bool> stopping{false};
    WindowBudget budget;
    std::unique_ptr<AccessLog> access_log;  // null: none. Set before anything is served
    // Last: their threads use the rest. Uploads wait for the disk and for room, reads must not wait
    // for them.
    WorkerPool pool;
    WorkerPool upload_pool;

    /// An opaque value for x-amzn-RequestId, never the same twice in one process.
    std::string next_request_id();

  private:
    std::atomic<std::uint64_t> requests_{0};
    const std::uint64_t seed_;
};

}  // namespace reelfs::http
