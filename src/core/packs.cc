#include "core/packs.h"

#include <algorithm>

#include "reelfs/base/log.h"
#include "reelfs/model/limits.h"

namespace reelfs::core {

Result<PackId> Packs::open(ContainerId container) {
    RF_TRY(PackId pack, store_.open_pack(container));
    RF_CHECK(catalog_.write(
        [&](catalog::Writer& w) { return w.insert_pack({.pack = pack, .container = container}); }));
    MutexLock lock(mutex_);
    states_[pack].container = container;
    return pack;
}

Result<PackId> Packs::own_pack(ContainerId container) {
    return open(container);
}

Result<PackId> Packs::shared_pack(ContainerId container) {
    MutexLock lock(mutex_);
    while (true) {
        auto& current = shared_[container];
        if (current) {
            State& state = states_.at(*current);
            if (!state.failed && state.bytes < limits::shared_pack_bytes_max) return *current;
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

Result<Packs::Put> Packs::put(const PackId& pack, std::span<const Bytes> pieces) {
    {
        MutexLock lock(mutex_);
        auto it = states_.find(pack);
        if (it == states_.end() || it->second.finished)
            return Error(Errc::kBusy, "the pack has been finished");
        if (it->second.failed) return *it->second.failed;
        ++it->second.puts_in_flight;
    }
    auto location = store_.put(pack, pieces);
    MutexLock lock(mutex_);
    State& state = states_.at(pack);
    --state.puts_in_flight;
    if (state.finished && state.puts_in_flight == 0) close_in_store(pack);
    if (!location) {
        if (location.error().code() != Errc::kNoSpace) state.failed = location.error();
        return std::move(location).error();
    }
    state.bytes += location->length;
    unsynced_bytes_ += location->length;
    return Put{*location, {pack, ++state.put_sequence}};
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
    if (auto closed = store_.close_pack(pack); !closed)
        log::warning("close pack {}: {}", pack.hex(), closed.error().message());
}

std::optional<Error> Packs::lost(const PutMark& mark) const {
    MutexLock lock(mutex_);
    auto it = states_.find(mark.pack);
    if (it == states_.end() || it->second.synced_sequence >= mark.sequence) return std::nullopt;
    return it->second.failed;
}

Result<void> Packs::check_nothing_lost() {
    struct Failed {
        PackId pack;
        std::uint64_t durable_end;
        Error error;
    };
    std::vector<Failed> failed;
    {
        MutexLock lock(mutex_);
        for (const auto& [pack, state] : states_)
            if (state.failed) failed.push_back({pack, state.durable_end, *state.failed});
    }
    for (const Failed& one : failed) {
        bool named = false;
        RF_CHECK(catalog_.read([&](catalog::Reader& r) -> Result<void> {
            RF_TRY(auto extents, r.extents_in_pack(one.pack, one.durable_end, 1));
            named = !extents.empty();
            return done();
        }));
        if (named) return one.error;
    }
    return done();
}

std::optional<PutMark> Packs::unsynced(const Location& location) const {
    if (!location.pack) return std::nullopt;
    MutexLock lock(mutex_);
    auto it = states_.find(*location.pack);
    if (it == states_.end()) return std::nullopt;
    // A put in flight may hold the durable end back although all that had returned is durable.
    const State& state = it->second;
    if (state.durable_end >= location.offset + location.length ||
        state.synced_sequence == state.put_sequence)
        return std::nullopt;
    return PutMark{*location.pack, state.put_sequence};
}

bool Packs::in_use(const PackId& pack) const {
    MutexLock lock(mutex_);
    return states_.contains(pack);
}

std::uint64_t Packs::unsynced_bytes() const {
    MutexLock lock(mutex_);
    return unsynced_bytes_;
}

Result<void> Packs::sync(const PutMark& mark) {
    std::uint64_t covered = 0;
    {
        MutexLock lock(mutex_);
        auto it = states_.find(mark.pack);
        if (it == states_.end() || it->second.synced_sequence >= mark.sequence) return done();
        if (it->second.failed) return *it->second.failed;
        covered = it->second.put_sequence;
    }
    auto durable_end = store_.sync(mark.pack);
    MutexLock lock(mutex_);
    auto it = states_.find(mark.pack);
    if (it == states_.end()) return done();  // a concurrent barrier made it durable and forgot it
    State& state = it->second;
    if (!durable_end) {
        // Final: nothing that was not durable before may be promised, and no retry could tell.
        if (!state.failed)
            log::error("pack {}: {}", mark.pack.hex(), durable_end.error().message());
        state.failed = durable_end.error();
        return *state.failed;
    }
    state.synced_sequence = std::max(state.synced_sequence, covered);
    state.durable_end = std::max(state.durable_end, *durable_end);
    return done();
}

Result<void> Packs::sync_all() {
    std::vector<PutMark> pending;
    {
        MutexLock lock(mutex_);
        for (const auto& [pack, state] : states_)
            if (!state.failed && state.put_sequence > state.synced_sequence)
                pending.push_back({pack, state.put_sequence});
        unsynced_bytes_ = 0;
    }
    std::optional<Error> first;
    for (const PutMark& mark : pending)
        if (auto synced = sync(mark); !synced && !first) first = std::move(synced).error();

    struct Record {
        PackId pack;
        std::uint64_t durable_end;
        bool finished;
    };
    std::vector<Record> records;
    {
        MutexLock lock(mutex_);
        for (const auto& [pack, state] : states_) {
            if (state.durable_end != state.recorded_end ||
                (state.finished && !state.recorded_closed))
                records.push_back({pack, state.durable_end, state.finished});
        }
    }
    if (!records.empty()) {
        auto recorded = catalog_.write([&](catalog::Writer& w) -> Result<void> {
            for (const Record& record : records)
                RF_CHECK(w.update_pack(
                    record.pack,
                    record.finished ? catalog::PackState::kClosed : catalog::PackState::kOpen,
                    record.durable_end));
            return done();
        });
        if (!recorded) return first ? *first : std::move(recorded).error();
        MutexLock lock(mutex_);
        for (const Record& record : records) {
            State& state = states_.at(record.pack);
            state.recorded_end = record.durable_end;
            state.recorded_closed = record.finished;
            if (record.finished && !state.failed && state.puts_in_flight == 0 &&
                state.put_sequence == state.synced_sequence)
                states_.erase(record.pack);
        }
    }
    if (first) return *first;
    return done();
}

}  // namespace reelfs::core
