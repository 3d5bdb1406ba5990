// Carries out a request on an open store: in the daemon for its control socket, or in a short
// command that opened the store itself.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "app/jobs.h"
#include "app/protocol.h"
#include "app/store_lock.h"
#include "reelfs/model/caller.h"

namespace reelfs::app {

/// What the daemon adds to what the volume knows. Empty in a short command.
struct ServedAs {
    LockRecord record;
    bool read_only = false;
};

/// kNotFound, saying how to see those that exist.
Error no_container(const std::string& name);

class StoreService {
  public:
    /// `stop` is called, from the thread of answer(), when a request asks the daemon to end; null
    /// where there is none to end.
    StoreService(std::string store, core::Volume& volume, Disk& disk, ServedAs served,
                 std::function<void()> stop);

    /// Thread-safe; may block on disk.
    Answer answer(const Request& request, const Caller& caller);

    /// Cancels the job that runs, and waits for it: before anything it uses goes.
    void stop_jobs() { jobs_.stop(); }

  private:
    Json status();
    std::optional<Answer> answer_job(const Request& request);

    const std::string store_;
    core::Volume& volume_;
    Disk& disk_;
    const ServedAs served_;
    const std::function<void()> stop_;
    Jobs jobs_;
};

}  // namespace reelfs::app
