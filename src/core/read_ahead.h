// Extents as they are at one moment; and a thread that fetches the next while the last is verified,
// so that the disk and the processor work at the same time.
#pragma once

#include <memory>
#include <optional>
#include <thread>

#include "core/context.h"
#include "core/verify.h"

namespace reelfs::core {

/// An extent as it was at one moment. While the hold stands, nothing that its row names is given
/// back to the disk.
struct Fetched {
    std::unique_ptr<Holds::Hold> hold;
    std::optional<catalog::Reader::PackExtent> row;  // nothing: it was deleted
    /// There when the row is; kCorrupt when the row cannot be right.
    std::optional<Result<Sealed>> sealed;
};

/// Fails where the catalog cannot be read. May block on disk.
Result<Fetched> fetch(Context& context, ExtentId id);

/// For one caller.
class ReadAhead {
  public:
    explicit ReadAhead(Context& context);
    /// Waits for a read that is under way.
    ~ReadAhead();

    /// Begins to fetch. What was asked for before must have been taken.
    void ask(ExtentId id) EXCLUDES(mutex_);
    /// Waits for what was asked for: what fetch() said.
    Result<Fetched> take() EXCLUDES(mutex_);

  private:
    void work() EXCLUDES(mutex_);

    Context& context_;
    Mutex mutex_;
    CondVar changed_;
    std::optional<ExtentId> asked_ GUARDED_BY(mutex_);
    std::optional<Result<Fetched>> fetched_ GUARDED_BY(mutex_);
    bool stopping_ GUARDED_BY(mutex_) = false;
    std::jthread thread_;  // last: it uses what is above
};

}  // namespace reelfs::core
