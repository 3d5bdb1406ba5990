#include "app/jobs.h"

#include <fmt/format.h>
#include <pthread.h>

#include <exception>

#include "reelfs/base/log.h"

namespace reelfs::app {

Result<std::uint64_t> Jobs::start(const std::string& name, std::uint64_t bytes_per_second,
                                  Work work) {
    MutexLock lock(mutex_);
    if (stopping_) return Error(Errc::kBusy, "the daemon is about to end");
    if (last_ && last_->running)
        return Error(Errc::kBusy, fmt::format("a {} is running; wait for its end, or stop it with "
                                              "reelfs job cancel",
                                              last_->name));
    if (thread_.joinable()) thread_.join();  // it has ended but for its last instruction
    auto run = std::make_shared<Run>(last_ ? last_->number + 1 : 1, name, bytes_per_second);
    last_ = run;
    log::info("{} begins", name);
    thread_ = std::thread([this, run, work = std::move(work)]() noexcept {
        ::pthread_setname_np(::pthread_self(), "job");
        Result<Json> result = Error(Errc::kIo, "it did not end as it should");
        try {
            result = work(run->job);
        } catch (const std::exception& problem) {
            result = Error(Errc::kIo, problem.what());
        }
        if (result)
            log::info("{} has ended", run->name);
        else
            log::warning("{} has ended: {}", run->name, result.error().message());
        MutexLock ended(mutex_);
        run->result = std::move(result);
        run->running = false;
    });
    return run->number;
}

Json Jobs::status() const {
    MutexLock lock(mutex_);
    if (!last_) return nullptr;
    const core::Job::State state = last_->job.state();
    Json status = {{"job", last_->number},           {"name", last_->name},
                   {"running", last_->running},      {"stage", state.stage},
                   {"done_bytes", state.done_bytes}, {"total_bytes", state.total_bytes},
                   {"findings", state.findings}};
    if (last_->result && last_->result->ok()) status["result"] = last_->result->value();
    if (last_->result && !last_->result->ok()) {
        status["error"] = std::string(name_of(last_->result->error().code()));
        status["message"] = last_->result->error().message();
    }
    return status;
}

Result<void> Jobs::cancel() {
    MutexLock lock(mutex_);
    if (!last_ || !last_->running) return Error(Errc::kNotFound, "no job is running");
    last_->job.cancel();
    return done();
}

void Jobs::stop() {
    std::thread ending;
    {
        MutexLock lock(mutex_);
        stopping_ = true;
        if (last_) last_->job.cancel();
        ending = std::move(thread_);
    }
    if (ending.joinable()) ending.join();
}

}  // namespace reelfs::app
