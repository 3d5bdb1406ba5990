#include "core/expirer.h"

#include <pthread.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "reelfs/base/log.h"
#include "reelfs/model/limits.h"

namespace reelfs::core {

namespace {
constexpr std::chrono::seconds kAfterFailure{1};
/// Of the catalog's time, expiry takes one part, others at least this many.
constexpr int kOthersParts = 2;
/// Whatever the clock says a step took.
constexpr std::chrono::nanoseconds kPauseMax = std::chrono::seconds(1);
}  // namespace

Expirer::Expirer(Context& context, TreeImpl& tree)
    : context_(context), tree_(tree), rows_(limits::expiry_batch_rows) {}

Result<void> Expirer::load() {
    std::optional<Timestamp> next;
    RF_CHECK(context_.catalog.read([&](catalog::Reader& r) -> Result<void> {
        RF_TRY(next, r.next_expiry());
        return done();
    }));
    if (next) tree_.expiry_alarm().set(*next);
    tree_.expiry_alarm().ask_for_walk();  // what the last run left
    return done();
}

void Expirer::start() {
    thread_ = std::jthread([this] {
        ::pthread_setname_np(::pthread_self(), "expiry");
        work();
    });
}

void Expirer::stop() {
    tree_.expiry_alarm().stop();
    if (thread_.joinable()) thread_.join();
}

void Expirer::work() {
    ExpiryAlarm& alarm = tree_.expiry_alarm();
    bool due = false, walking = false;
    while (true) {
        const bool busy = due || walking;
        const auto call =
            alarm.next(busy ? ExpiryAlarm::Patience::kLook : ExpiryAlarm::Patience::kWait);
        if (call.stop) return;
        tree_.tell_names(call.names);
        due = due || call.due;
        walking = walking || call.walk;
        const std::int64_t began = context_.clock.monotonic_ns();
        if (due) due = expire_some();
        if (walking) walking = walk_some();
        const std::chrono::nanoseconds took(context_.clock.monotonic_ns() - began);
        if ((due || walking) && !alarm.pause(std::min(kOthersParts * took, kPauseMax))) return;
    }
}

bool Expirer::expire_some() {
    const auto expired = tree_.expire_due(rows_);
    if (!expired) return after_failure(expired.error());
    expiry_failed_ = false;
    if (expired->more) return true;
    rows_ = limits::expiry_batch_rows;
    if (expired->next) tree_.expiry_alarm().set(*expired->next);
    return false;
}

/// One damaged object must not keep the others: it is found by going one by one, and put off.
bool Expirer::after_failure(const Error& error) {
    if (std::exchange(rows_, 1) > 1) return true;
    if (!std::exchange(expiry_failed_, true))
        log::warning("an expired object is not removed yet: {}", error.message());
    if (error.code() == Errc::kReadOnly) return false;
    if (error.code() != Errc::kNoSpace && tree_.put_off_expiry()) {
        rows_ = limits::expiry_batch_rows;
        return true;
    }
    tree_.expiry_alarm().pause(kAfterFailure);
    return true;
}

bool Expirer::walk_some() {
    auto step = [&]() -> Result<bool> {
        if (!walk_) {
            RF_TRY(walk_, LifecycleWalk::pending(context_));
            if (!walk_) return false;
        }
        RF_TRY(bool more, walk_->step(context_, tree_.expiry_alarm()));
        if (!more) walk_.reset();
        return true;
    };
    auto more = step();
    const bool told = std::exchange(walk_failed_, !more.ok());
    if (more) return *more;
    if (!told)
        log::warning("objects under a lifecycle policy are not looked through: {}",
                     more.error().message());
    walk_.reset();
    tree_.expiry_alarm().pause(kAfterFailure);
    return more.error().code() != Errc::kReadOnly;
}

}  // namespace reelfs::core
