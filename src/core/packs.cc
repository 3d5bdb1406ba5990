#include "core/packs.h"

#include <algorithm>

#include "reelfs/base/log.h"
#include "reelfs/model/limits.h"

namespace reelfs::core {

Result<PackId> Packs::open(ContainerId container) {
    RF_TRY(PackId pack, store_.open_pack(container));
    RF_CHECK(catalog_.write([&](catalog::Writer& w) { return w.insert_pack({.pack = pack, .container = container}); }));
    MutexLock lock(mutex_);
    states_[pack].container = container;
    return pack;
}

Result<PackId> Packs::own_pack(ContainerId container) { return open(container); }

Result<PackId> Packs::shared_pack(ContainerId container) {
    MutexLock lock(mutex_);
    while (true) {
        auto& current = shared_[container];
        if (current) {
            State& state = states_.at(*current);
            if (!state.failed && state.put_end < limits::shared_pack_bytes_max) return *current;
            state.finished = true;
            if (state.puts_in_flight == 0) close_in_store(*current);
            current.reset();
            continue;
        }
        if (!opening_[container]) break;
        opened_.wait(mutex_);
    }
    opening_[container] = true;
    lock.unlock();
    auto pack = open(container);
    lock.lock();
    opening_[container] = false;
    if (pack) shared_[container] = *pack;
    opened_.notify_all();
    return pack;
}

Result<Location> Packs::put(const PackId& pack, std::span<const Bytes> pieces) {
    {
        MutexLock lock(mutex_);
        auto it = states_.find(pack);
        if (it == states_.end() || it->second.finished) return Error(Errc::kBusy, "the pack has been finished");
        if (it->second.failed) return *it->second.failed;
        ++it->second.puts_in_flight;
    }
    auto location = store_.put(pack, pieces);
    MutexLock lock(mutex_);
    State& state = states_.at(pack);
    --state.puts_in_flight;
    if (location) {
        state.put_end = std::max(state.put_end, location->offset + location->length);
        unsynced_bytes_ += location->length;
    } else if (location.error().code() != Errc::kNoSpace) {
        state.failed = location.error();
    }
    if (state.finished && state.puts_in_flight == 0) close_in_store(pack);
    return location;
}

void Packs::finish(const PackId& pack) {
    MutexLock lock(mutex_);
    auto it = states_.find(pack);
    if (it == states_.end() || it->second.finished) return;
    it->second.finished = true;
    if (it->second.puts_in_flight == 0) close_in_store(pack);
}

void Packs::close_in_store(const PackId& pack) {
    // Only marks the pack in the store: no I/O that could block.
    if (auto closed = store_.close_pack(pack); !closed) log::warning("close pack {}: {}", pack.hex(), closed.error().message());
}

bool Packs::durable(const PackId& pack, std::uint64_t end) const {
    MutexLock lock(mutex_);
    auto it = states_.find(pack);
    return it == states_.end() || it->second.durable_end >= end;
}

bool Packs::in_use(const PackId& pack) const {
    MutexLock lock(mutex_);
    return states_.contains(pack);
}

std::uint64_t Packs::unsynced_bytes() const {
    MutexLock lock(mutex_);
    return unsynced_bytes_;
}

Result<void> Packs::sync(const PackId& pack, std::uint64_t end) {
    {
        MutexLock lock(mutex_);
        auto it = states_.find(pack);
        if (it == states_.end() || it->second.durable_end >= end) return done();
        if (it->second.failed) return *it->second.failed;
    }
    auto durable_end = store_.sync(pack);
    MutexLock lock(mutex_);
    auto it = states_.find(pack);
    if (it == states_.end()) return done();  // a concurrent barrier made it durable and forgot it
    State& state = it->second;
    if (!durable_end) {
        // Final: nothing in this pack beyond the durable end may be promised again, and no retry could tell.
        if (!state.failed) log::error("pack {}: {}", pack.hex(), durable_end.error().message());
        state.failed = durable_end.error();
        state.finished = true;
        for (auto& [container, shared] : shared_)
            if (shared == pack) shared.reset();
        return *state.failed;
    }
    state.durable_end = std::max(state.durable_end, *durable_end);
    if (state.durable_end < end) return Error(Errc::kIo, "a pack's sync did not cover what was put");
    return done();
}

Result<void> Packs::sync_all() {
    std::vector<std::pair<PackId, std::uint64_t>> pending;
    {
        MutexLock lock(mutex_);
        for (const auto& [pack, state] : states_)
            if (!state.failed && state.put_end > state.durable_end) pending.emplace_back(pack, state.put_end);
        unsynced_bytes_ = 0;
    }
    std::optional<Error> first;
    for (const auto& [pack, end] : pending)
        if (auto synced = sync(pack, end); !synced && !first) first = std::move(synced).error();

    struct Record {
        PackId pack;
        std::uint64_t durable_end;
        bool finished;
        bool whole;
    };
    std::vector<Record> records;
    {
        MutexLock lock(mutex_);
        for (const auto& [pack, state] : states_) {
            const bool whole = state.durable_end >= state.put_end || state.failed;
            if (state.durable_end != state.recorded_end || (state.finished && !state.recorded_closed))
                records.push_back({pack, state.durable_end, state.finished, whole});
        }
    }
    if (!records.empty()) {
        auto recorded = catalog_.write([&](catalog::Writer& w) -> Result<void> {
            for (const Record& record : records)
                RF_CHECK(w.update_pack(record.pack, record.finished ? catalog::PackState::kClosed : catalog::PackState::kOpen, record.durable_end));
            return done();
        });
        if (!recorded) return first ? *first : std::move(recorded).error();
        MutexLock lock(mutex_);
        for (const Record& record : records) {
            State& state = states_.at(record.pack);
            state.recorded_end = record.durable_end;
            state.recorded_closed = record.finished;
            if (record.finished && record.whole && !state.failed && state.puts_in_flight == 0 && state.put_end <= state.durable_end)
                states_.erase(record.pack);
        }
    }
    if (first) return *first;
    return done();
}

}  // namespace reelfs::core
