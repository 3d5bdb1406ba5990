#include "http/server_state.h"

#include <fmt/format.h>

#include <chrono>

namespace reelfs::http {

namespace {

/// splitmix64: spreads a counter over 64 bits, one to one.
std::uint64_t mixed(std::uint64_t value) {
    value += 0x9E3779B97F4A7C15ull;
    value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9ull;
    value = (value ^ (value >> 27)) * 0x94D049BB133111EBull;
    return value ^ (value >> 31);
}

}  // namespace

bool ConnectionCount::try_enter() {
    MutexLock lock(mutex_);
    if (value_ >= max_) return false;
    ++value_;
    return true;
}

void ConnectionCount::leave() {
    MutexLock lock(mutex_);
    if (--value_ == 0) none_.notify_all();
}

std::size_t ConnectionCount::value() const {
    MutexLock lock(mutex_);
    return value_;
}

bool ConnectionCount::wait_for_none(std::int64_t timeout_ms) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(timeout_ms);
    MutexLock lock(mutex_);
    while (value_ > 0) {
        const auto left = deadline - std::chrono::steady_clock::now();
        if (left <= left.zero()) return false;
        none_.wait_for(mutex_, left);
    }
    return true;
}

void ConnectionCount::wait_for_none() {
    MutexLock lock(mutex_);
    while (value_ > 0) none_.wait(mutex_);
}

ServerState::ServerState(core::Tree& the_tree, const Clock& the_clock, Metrics& the_metrics,
                         const ServerOptions& the_options, const ServerLimits& the_limits)
    : tree(the_tree),
      clock(the_clock),
      metrics(the_metrics),
      options(the_options),
      limits(the_limits),
      get_object(metrics.operation("http", "GetObject")),
      follow_object(metrics.operation("http", "FollowObject")),
      head_object(metrics.operation("http", "HeadObject")),
      put_object(metrics.operation("http", "PutObject")),
      delete_object(metrics.operation("http", "DeleteObject")),
      list_items(metrics.operation("http", "ListItems")),
      other(metrics.operation("http", "other")),
      connections(limits.connections_max),
      clients(limits.connections_per_client_max),
      budget(limits.bytes_in_flight_max),
      pool(limits.pool_threads, limits.pool_queue_max),
      upload_pool(limits.upload_threads, limits.pool_queue_max),
      seed_(mixed(static_cast<std::uint64_t>(clock.now().ns))) {}

std::string ServerState::next_request_id() {
    const std::uint64_t number = requests_.fetch_add(1, std::memory_order_relaxed);
    return fmt::format("{:016x}{:016x}", mixed(seed_ ^ number), mixed(~seed_ + number));
}

}  // namespace reelfs::http
