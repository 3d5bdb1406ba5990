// Asks the plan, then the store inside. Packs whose sync was made to fail are remembered here,
// because the store inside does not know of it.
#include "reelfs/store/faulty_store.h"

#include <set>

#include "reelfs/base/mutex.h"

namespace reelfs::store {

namespace {

class FaultyStore final : public ExtentStore {
  public:
    FaultyStore(std::unique_ptr<ExtentStore> inner, FaultPlan plan)
        : inner_(std::move(inner)), plan_(std::move(plan)) {}

    Result<PackId> open_pack(ContainerId owner, PackUse use) override {
        RF_CHECK(plan_(StoreCall::kOpenPack));
        return inner_->open_pack(owner, use);
    }
    Result<Location> put(const PackId& pack, std::span<const Bytes> pieces) override {
        RF_CHECK(check_not_failed(pack));
        RF_CHECK(plan_(StoreCall::kPut));
        auto location = inner_->put(pack, pieces);
        RF_CHECK(check_not_failed(pack));  // a sync failed meanwhile
        return location;
    }
    Result<void> read(const Location& location, std::uint64_t skip, MutableBytes out) override {
        RF_CHECK(plan_(StoreCall::kRead));
        return inner_->read(location, skip, out);
    }
    void will_need(const Location& location, std::uint64_t skip, std::uint64_t length) override {
        inner_->will_need(location, skip, length);
    }
    Result<std::uint64_t> sync(const PackId& pack) override {
        RF_CHECK(plan_sync(pack));
        return inner_->sync(pack);
    }
    Result<void> close_pack(const PackId& pack) override { return inner_->close_pack(pack); }
    Result<void> free(const FreedRange& range) override {
        RF_CHECK(plan_(StoreCall::kFree));
        return inner_->free(range);
    }
    Result<void> remove_pack(const PackId& pack) override {
        RF_CHECK(plan_(StoreCall::kRemove));
        RF_CHECK(inner_->remove_pack(pack));
        MutexLock lock(mutex_);
        failed_.erase(pack);
        return done();
    }
    Result<void> sync_removals() override {
        RF_CHECK(plan_(StoreCall::kRemove));
        return inner_->sync_removals();
    }
    Result<void> set_aside(const PackId& pack) override { return inner_->set_aside(pack); }
    Result<void> settle(const PackId& pack) override {
        RF_CHECK(plan_sync(pack));
        return inner_->settle(pack);
    }
    Result<std::vector<PackInfo>> list() override { return inner_->list(); }
    Result<StoreSpace> space() override { return inner_->space(); }

  private:
    Result<void> check_not_failed(const PackId& pack) EXCLUDES(mutex_) {
        MutexLock lock(mutex_);
        if (failed_.count(pack) == 0) return done();
        return Error(Errc::kIo, "a sync of pack " + pack.hex() + " failed before");
    }
    Result<void> plan_sync(const PackId& pack) EXCLUDES(mutex_) {
        RF_CHECK(check_not_failed(pack));
        auto planned = plan_(StoreCall::kSync);
        if (planned) return done();
        MutexLock lock(mutex_);
        failed_.insert(pack);
        return planned;
    }

    const std::unique_ptr<ExtentStore> inner_;
    const FaultPlan plan_;
    Mutex mutex_;
    std::set<PackId> failed_ GUARDED_BY(mutex_);
};

}  // namespace

std::unique_ptr<ExtentStore> make_faulty_store(std::unique_ptr<ExtentStore> inner, FaultPlan plan) {
    return std::make_unique<FaultyStore>(std::move(inner), std::move(plan));
}

}  // namespace reelfs::store
