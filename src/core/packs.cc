#include "core/packs.h"

#include <algorithm>

#include "reelfs/base/log.h"
#include "reelfs/model/limits.h"

namespace reelfs::core {

Result<PackId> Packs::open(ContainerId container, store::PackUse use) {
    RF_TRY(PackId pack, store_.open_pack(container, use));
    RF_CHECK(catalog_.write(
        [&](catalog::Writer& w) { return w.insert_pack({.pack = pack, .container = container}); }));
    MutexLock lock(mutex_);
    states_[pack].container = container;
    return pack;
}

Result<PackId> Packs::own_pack(ContainerId container) {
    return open(container, store::PackUse::kStream);
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
    auto pack = open(container, store::PackUse::kShared);
    lock.lock();
    opening_[container] = false;
    if (pack) shared_[container] = *pack;
    opened_.notify_all();
    return pack;
}

Result<Packs::Put> Packs::put(const PackId& pack, std::span<const Bytes> pieces) {
    std::uint64_t number = 0;
    {
        MutexLock lock(mutex_);
        auto it = states_.find(pack);
        if (it == states_.end() || it->second.finished)
            return Error(Errc::kBusy, "the pack has been finished");
        if (it->second.failed) return *it->second.failed;
        ++it->second.puts_in_flight;
        number = ++puts_begun_;
        under_way_.insert(number);
    }
    auto location = store_.put(pack, pieces);
    MutexLock lock(mutex_);
    under_way_.erase(number);
    put_returned_.notify_all();
    State& state = states_.at(pack);
    --state.puts_in_flight;
    if (state.finished && state.puts_in_flight == 0) close_in_store(pack);
    if (!location) {
        if (location.error().code() != Errc::kNoSpace) state.failed = location.error();
        return std::move(location).error();
    }
    state.bytes += location->length;
    unsynced_bytes_ += location->length;
    ++state.holds;
    return Put{*location, {pack, ++state.put_sequence}, Hold(*this, pack)};
}

void Packs::wait_for_puts() {
    MutexLock lock(mutex_);
    const std::uint64_t last = puts_begun_;
    while (!under_way_.empty() && *under_way_.begin() <= last) put_returned_.wait(mutex_);
}

void Packs::release(const PackId& pack) {
    MutexLock lock(mutex_);
    --states_.at(pack).holds;
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

std::optional<PutMark> Packs::unrecorded(const Location& location) const {
    if (!location.pack) return std::nullopt;
    MutexLock lock(mutex_);
    auto it = states_.find(*location.pack);
    if (it == states_.end() || it->second.recorded_end >= location.offset + location.length)
        return std::nullopt;
    return PutMark{*location.pack, it->second.put_sequence};
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

    if (auto recorded = record_ends(std::nullopt); !recorded && !first)
        first = std::move(recorded).error();
    MutexLock lock(mutex_);
    std::erase_if(states_, [](const auto& one) {
        const State& state = one.second;
        return state.recorded_closed && !state.has_news() && !state.failed && state.holds == 0 &&
               state.puts_in_flight == 0 && state.put_sequence == state.synced_sequence;
    });
    if (first) return *first;
    return done();
}

Result<void> Packs::record_ends(std::optional<std::span<const PutMark>> only) {
    std::vector<std::pair<PackId, State>> news;
    const auto collect = [&] {
        MutexLock lock(mutex_);
        news.clear();
        const auto add = [&](const auto& one) {
            if (one.second.has_news()) news.emplace_back(one.first, one.second);
        };
        if (!only) std::for_each(states_.begin(), states_.end(), add);
        for (const PutMark& mark : only.value_or(std::span<const PutMark>()))
            if (auto it = states_.find(mark.pack); it != states_.end()) add(*it);
        return !news.empty();
    };
    if (!collect()) return done();
    // Collected again inside the transaction: of two at once the later one writes the larger end.
    RF_CHECK(catalog_.write([&](catalog::Writer& w) -> Result<void> {
        collect();
        for (const auto& [pack, state] : news)
            RF_CHECK(w.update_pack(
                pack, state.finished ? catalog::PackState::kClosed : catalog::PackState::kOpen,
                state.durable_end));
        return done();
    }));
    MutexLock lock(mutex_);
    for (const auto& [pack, written] : news) {
        auto it = states_.find(pack);
        if (it == states_.end()) continue;
        State& state = it->second;
        state.recorded_end = std::max(state.recorded_end, written.durable_end);
        state.recorded_closed = state.recorded_closed || written.finished;
    }
    return done();
}

}  // namespace reelfs::core
