#include "core/quotas.h"

#include <fmt/format.h>

#include <algorithm>

namespace reelfs::core {

namespace {

Error over(std::string_view what) {
    return Error(Errc::kQuota, fmt::format("the container's quota of {} is used up", what));
}

}  // namespace

void Quotas::set(ContainerId container, const Quota& quota) {
    MutexLock lock(mutex_);
    if (!quota.any() && !entries_.contains(container)) return;
    entries_[container].quota = quota;
    any_.store(true, std::memory_order_relaxed);
}

std::optional<Quota> Quotas::find(ContainerId container) const {
    if (!any_.load(std::memory_order_relaxed)) return std::nullopt;
    MutexLock lock(mutex_);
    auto it = entries_.find(container);
    if (it == entries_.end() || !it->second.quota.any()) return std::nullopt;
    return it->second.quota;
}

std::uint64_t Quotas::reserved(ContainerId container) const {
    MutexLock lock(mutex_);
    auto it = entries_.find(container);
    return it == entries_.end() ? 0 : it->second.reserved;
}

bool Quotas::fits(ContainerId container, const Usage& usage, std::uint64_t bytes, Take how) {
    MutexLock lock(mutex_);
    Entry& entry = entries_[container];
    if (entry.quota.bytes && usage.bytes + entry.reserved + bytes > *entry.quota.bytes)
        return false;
    if (how == Take::kReserve) entry.reserved += bytes;
    return true;
}

Result<void> Quotas::take(ContainerId container, std::uint64_t bytes, Take how) {
    if (bytes == 0) return done();
    if (auto usage = catalog_.known_usage(container); usage && fits(container, *usage, bytes, how))
        return done();
    return catalog_.read([&](catalog::Reader& r) -> Result<void> {
        RF_TRY(const Usage usage, r.usage(container));
        return fits(container, usage, bytes, how) ? done() : Result<void>(over("bytes"));
    });
}

Result<void> Quotas::reserve(ContainerId container, std::uint64_t bytes) {
    return take(container, bytes, Take::kReserve);
}

Result<void> Quotas::check(ContainerId container, std::uint64_t bytes) {
    return take(container, bytes, Take::kLook);
}

void Quotas::give_back(ContainerId container, std::uint64_t bytes) {
    if (bytes == 0) return;
    MutexLock lock(mutex_);
    std::uint64_t& reserved = entries_[container].reserved;
    reserved -= std::min(reserved, bytes);
}

Result<void> Quotas::check_bytes(catalog::Reader& r, ContainerId container, std::uint64_t bytes) {
    if (bytes == 0 || !find(container)) return done();
    RF_TRY(const Usage usage, r.usage(container));
    return fits(container, usage, bytes, Take::kLook) ? done() : Result<void>(over("bytes"));
}

Result<void> Quotas::check_object(catalog::Reader& r, ContainerId container) {
    const auto quota = find(container);
    if (!quota || !quota->objects) return done();
    RF_TRY(const Usage usage, r.usage(container));
    if (usage.objects >= *quota->objects) return over("objects");
    return done();
}

}  // namespace reelfs::core
