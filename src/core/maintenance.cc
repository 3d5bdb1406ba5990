#include "core/maintenance.h"

#include <pthread.h>

#include <algorithm>

#include "reelfs/base/log.h"
#include "reelfs/model/limits.h"

namespace reelfs::core {

namespace {
constexpr int kFreedPerRound = limits::catalog_step_rows_max;
constexpr int kRoundsPerRun = 64;
constexpr std::int64_t kPollMs = 250;  // how soon a volume trigger is noticed
}  // namespace

void Maintenance::start(std::int64_t interval_ms) {
    if (interval_ms <= 0) return;
    thread_ = std::jthread([this, interval_ms] {
        ::pthread_setname_np(::pthread_self(), "background");
        work(interval_ms);
    });
}

void Maintenance::stop() {
    {
        MutexLock lock(mutex_);
        stopping_ = true;
    }
    wake_.notify_all();
    if (thread_.joinable()) thread_.join();
}

void Maintenance::work(std::int64_t interval_ms) {
    std::int64_t last_ns = context_.clock.monotonic_ns();
    while (true) {
        {
            MutexLock lock(mutex_);
            if (!stopping_)
                wake_.wait_for(mutex_, std::chrono::milliseconds(std::min(interval_ms, kPollMs)));
            if (stopping_) return;
        }
        const std::int64_t now_ns = context_.clock.monotonic_ns();
        const bool due = now_ns - last_ns >= interval_ms * 1'000'000 ||
                         context_.packs.unsynced_bytes() >= limits::background_barrier_bytes ||
                         context_.catalog.stats().log_bytes >= limits::wal_checkpoint_forced_bytes;
        if (!due) continue;
        if (auto round = run_once(); !round)
            log::warning("background work: {}", round.error().message());
        last_ns = context_.clock.monotonic_ns();
    }
}

Result<void> Maintenance::run_once() {
    if (context_.read_only || context_.catalog.read_only()) return done();
    context_.space.refill_reserve();
    files_.drain_all();
    RF_CHECK(context_.packs.sync_all());
    RF_CHECK(context_.catalog.sync());
    RF_CHECK(tree_.reap_all());
    for (int round = 0; round < kRoundsPerRun; ++round) {
        RF_TRY(bool progress, reclaim());
        if (!progress) break;
    }
    RF_CHECK(remove_empty_packs());
    if (const auto stats = context_.catalog.stats();
        stats.log_bytes >= limits::wal_checkpoint_bytes && !stats.in_snapshot) {
        auto checkpointed = checkpoint();
        if (!checkpointed && checkpointed.error().code() == Errc::kNoSpace &&
            context_.space.release_reserve())
            checkpointed = checkpoint();
        RF_CHECK(checkpointed);
    }
    return done();
}

Result<void> Maintenance::checkpoint() {
    RF_CHECK(context_.packs.sync_all());  // most of the work, while commits go on
    WriteLock gate(files_.commit_gate);
    RF_CHECK(context_.packs.sync_all());
    return context_.catalog.checkpoint();
}

void Maintenance::bound_log() {
    const auto log_bytes = [&] { return context_.catalog.stats().log_bytes; };
    if (log_bytes() < limits::wal_checkpoint_forced_bytes) return;
    if (context_.catalog.stats().in_snapshot) return;  // it would wait for nothing
    {
        MutexLock lock(checkpoint_mutex_);
        if (checkpointing_) {
            while (checkpointing_ && log_bytes() >= 2 * limits::wal_checkpoint_forced_bytes)
                checkpointed_.wait(checkpoint_mutex_);
            return;
        }
        checkpointing_ = true;
    }
    if (auto result = checkpoint(); !result)
        log::warning("checkpoint: {}", result.error().message());
    MutexLock lock(checkpoint_mutex_);
    checkpointing_ = false;
    checkpointed_.notify_all();
}

Result<bool> Maintenance::reclaim() {
    if (waiting_ && context_.holds.oldest() > waiting_->epoch) {
        for (const auto& freed : waiting_->rows) {
            auto given_back = context_.store.free(freed.range);
            // A disk that cannot punch gets the room back with the pack; a pack that is gone has
            // given all of it.
            if (!given_back && given_back.error().code() != Errc::kUnsupported &&
                given_back.error().code() != Errc::kNotFound)
                return std::move(given_back).error();
        }
        RF_CHECK(context_.catalog.write([&](catalog::Writer& w) -> Result<void> {
            for (const auto& freed : waiting_->rows) RF_CHECK(w.delete_freed(freed.row));
            return done();
        }));
        waiting_.reset();
        context_.space.remeasure();
        return true;
    }
    if (waiting_) return false;  // a reader still holds what they name
    Freed next;
    RF_CHECK(context_.catalog.read([&](catalog::Reader& r) -> Result<void> {
        RF_TRY(next.rows, r.freed(kFreedPerRound));
        return done();
    }));
    if (next.rows.empty()) return false;
    RF_CHECK(context_.catalog.sync());  // the transactions that freed them are durable now
    next.epoch = context_.holds.advance();
    waiting_ = std::move(next);
    return true;
}

Result<void> Maintenance::remove_empty_packs() {
    std::vector<catalog::PackRow> packs;
    std::vector<catalog::FreedRow> freed;
    RF_CHECK(context_.catalog.read([&](catalog::Reader& r) -> Result<void> {
        RF_TRY(freed, r.freed(1));
        if (freed.empty()) {
            RF_TRY(packs, r.packs());
        }
        return done();
    }));
    std::vector<PackId> removed;
    for (const auto& pack : packs) {
        if (pack.live_bytes != 0 || pack.state != catalog::PackState::kClosed ||
            context_.packs.in_use(pack.pack))
            continue;
        auto gone = context_.store.remove_pack(pack.pack);
        if (!gone && gone.error().code() != Errc::kNotFound) return gone;
        removed.push_back(pack.pack);
    }
    if (removed.empty()) return done();
    // The rows go last: a pack that the catalog does not know is a stranger and is set aside.
    RF_CHECK(context_.store.sync_removals());
    RF_CHECK(context_.catalog.write([&](catalog::Writer& w) -> Result<void> {
        for (const PackId& pack : removed) RF_CHECK(w.delete_pack(pack));
        return done();
    }));
    context_.space.remeasure();
    return done();
}
}  // namespace reelfs::core
