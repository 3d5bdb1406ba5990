#include "core/read_ahead.h"

#include <pthread.h>

namespace reelfs::core {

Result<Fetched> fetch(Context& context, ExtentId id) {
    Fetched fetched;
    fetched.hold = std::make_unique<Holds::Hold>(context.holds);
    RF_CHECK(context.catalog.read([&](catalog::Reader& r) -> Result<void> {
        RF_TRY(auto rows, r.extents_after(ExtentId(id.value() - 1), 1));
        if (!rows.empty() && rows.front().extent.shape.extent == id) fetched.row = rows.front();
        return done();
    }));
    if (fetched.row) fetched.sealed = fetch(context, fetched.row->extent);
    return fetched;
}

ReadAhead::ReadAhead(Context& context) : context_(context) {
    thread_ = std::jthread([this] {
        ::pthread_setname_np(::pthread_self(), "scrub-read");
        work();
    });
}

ReadAhead::~ReadAhead() {
    {
        MutexLock lock(mutex_);
        stopping_ = true;
    }
    changed_.notify_all();
    thread_.join();
}

void ReadAhead::ask(ExtentId id) {
    {
        MutexLock lock(mutex_);
        asked_ = id;
    }
    changed_.notify_all();
}

Result<Fetched> ReadAhead::take() {
    MutexLock lock(mutex_);
    while (!fetched_) changed_.wait(mutex_);
    Result<Fetched> taken = std::move(*fetched_);
    fetched_.reset();
    return taken;
}

void ReadAhead::work() {
    while (true) {
        ExtentId id;
        {
            MutexLock lock(mutex_);
            while (!asked_ && !stopping_) changed_.wait(mutex_);
            if (stopping_) return;
            id = *asked_;
            asked_.reset();
        }
        auto fetched = fetch(context_, id);
        {
            MutexLock lock(mutex_);
            fetched_ = std::move(fetched);
        }
        changed_.notify_all();
    }
}

}  // namespace reelfs::core
