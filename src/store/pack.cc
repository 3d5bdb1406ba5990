#include "store/pack.h"

#include "reelfs/base/log.h"
#include "reelfs/model/limits.h"

namespace reelfs::store {

Pack::Pack(PackId id, PackUse use, std::shared_ptr<File> file,
           std::function<Result<void>()> make_name_durable)
    : id_(id),
      use_(use),
      file_(std::move(file)),
      make_name_durable_(std::move(make_name_durable)) {}

Result<Location> Pack::put(std::span<const Bytes> pieces) {
    std::uint64_t length = 0;
    for (Bytes piece : pieces) length += piece.size();
    if (length == 0) return Error(Errc::kInvalid, "put of no bytes into pack " + id_.hex());
    RF_TRY(const std::uint64_t offset, reserve(length));

    const bool bulk = use_ == PackUse::kStream && length >= limits::bulk_put_bytes_min;
    const Result<void> written =
        bulk ? file_->write_bulk_at(offset, pieces) : file_->write_at(offset, pieces);
    const bool full = !written && (written.error().code() == Errc::kNoSpace ||
                                   written.error().code() == Errc::kQuota);
    // Part of it may have been written: without this, a full disk would stay fuller than need be.
    if (full) (void)file_->punch(offset, length);

    MutexLock lock(mutex_);
    if (full) {
        ledger_.given_back(offset, length);
        return Error(Errc::kNoSpace, written.error().message());
    }
    if (!written) {
        ledger_.abandoned(offset);
        return Error(Errc::kIo, written.error().message());
    }
    if (failed_) {  // while we wrote: these bytes would never be durable
        ledger_.abandoned(offset);
        return failed();
    }
    ledger_.returned(offset);
    return Location{.pack = id_, .offset = offset, .length = length};
}

Result<std::uint64_t> Pack::reserve(std::uint64_t length) {
    MutexLock lock(mutex_);
    if (failed_) return failed();
    if (closed_) return Error(Errc::kBadHandle, "pack " + id_.hex() + " is closed");
    return ledger_.reserve(length);
}

Result<std::uint64_t> Pack::sync() {
    MutexLock lock(mutex_);
    const std::uint64_t needed = rounds_begun_ + 1;
    while (!failed_ && rounds_ended_ < needed) {
        if (name_durable_ && ledger_.clean()) {
            ledger_.synced(ledger_.mark());  // regions of failed writes may have ended since
            break;
        }
        if (rounds_begun_ != rounds_ended_) {
            round_ended_.wait(mutex_);
            continue;
        }
        ++rounds_begun_;
        const WriteLedger::Mark mark = ledger_.mark();
        const bool named = name_durable_;
        lock.unlock();
        Result<void> synced = named ? done() : make_name_durable_();
        if (synced) synced = file_->sync();
        lock.lock();
        rounds_ended_ = rounds_begun_;
        if (synced) {
            name_durable_ = true;
            ledger_.synced(mark);
        } else {
            failed_ = true;
            log::error("pack {} is given up: {}", id_.hex(), synced.error().message());
        }
        round_ended_.notify_all();
    }
    if (failed_) return failed();
    return ledger_.durable_end();
}

void Pack::close() {
    MutexLock lock(mutex_);
    closed_ = true;
}

bool Pack::finished() const {
    MutexLock lock(mutex_);
    return closed_ && !failed_ && ledger_.idle() && ledger_.clean() &&
           (name_durable_ || !ledger_.has_content());
}

Error Pack::failed() const {
    return {Errc::kIo, "a sync of pack " + id_.hex() + " failed before"};
}

}  // namespace reelfs::store
