#include "app/job_client.h"

#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <chrono>

#include "app/job_service.h"
#include "app/privileges.h"
#include "app/process.h"
#include "app/progress.h"

namespace reelfs::app {

namespace {

constexpr int kAskAgainMs = 250;
constexpr int kAnswerMs = 60'000;

std::int64_t steady_ns() {
    return std::chrono::steady_clock::now().time_since_epoch() / std::chrono::nanoseconds(1);
}

core::Job::State state_of(const Json& status) {
    return {.stage = text_member(status, "stage"),
            .done_bytes = number_member(status, "done_bytes", 0),
            .total_bytes = number_member(status, "total_bytes", 0),
            .findings = number_member(status, "findings", 0)};
}

Answer ended(const Json& status) {
    if (auto result = status.find("result"); result != status.end()) return *result;
    return decode_answer(dump_json({{"ok", false},
                                    {"error", text_member(status, "error")},
                                    {"message", text_member(status, "message")}}));
}

Answer watch(const std::string& socket, std::uint64_t number, bool quiet) {
    RF_TRY(const Fd signals, take_signals());
    Progress progress(Progress::style_of_stderr(quiet));
    while (true) {
        auto status = ask_daemon(socket, request::JobStatus{}, kAnswerMs);
        if (!status) return std::move(status).error().with("the daemon that was doing it is gone");
        if (number_member(*status, "job", 0) != number)
            return Error(Errc::kCancelled, "another job has begun meanwhile; this one has ended");
        if (!flag_member(*status, "running")) return ended(*status);
        progress.show(state_of(*status), steady_ns());
        pollfd waiting{.fd = signals.get(), .events = POLLIN, .revents = 0};
        if (::poll(&waiting, 1, kAskAgainMs) <= 0) continue;
        signalfd_siginfo signal{};
        if (::read(signals.get(), &signal, sizeof signal) != sizeof signal) continue;
        // It may have ended by itself: the status tells.
        if (auto told = ask_daemon(socket, request::JobCancel{}, kAnswerMs);
            !told && told.error().code() != Errc::kNotFound)
            return told;
    }
}

Answer do_it_here(Machine& machine, const StoreName& store, const KeyChoice& keys,
                  const request::JobStart& wanted, bool quiet) {
    // The key may be one that only root can read; the store's files are its owner's.
    RF_TRY(auto unlock, find_unlock(machine, current_person(), store.id, keys, {store.path}));
    RF_TRY(const Identity owner, owner_of(store.path));
    RF_TRY(auto acting, ActingAs::start(owner));
    RF_TRY(StoreLock lock, StoreLock::acquire(store.path, kShortCommandWaitMs));
    // Before there are threads that a signal could end us through: the job is to be cancelled.
    RF_TRY(const Fd signals, take_signals());
    RF_TRY(auto volume, core::open_store(machine.environment(),
                                         {.directory = store.path, .unlock = std::move(unlock)}));
    core::Job job(wanted.rate);
    Json result;
    auto worked = run_shown(job, quiet, [&]() -> Result<void> {
        RF_TRY(result, do_job(*volume, wanted, job));
        return done();
    });
    auto closed = volume->close();
    if (!worked) return std::move(worked).error();
    if (!closed) return std::move(closed).error().with("close the store");
    return result;
}

}  // namespace

Answer run_job(Machine& machine, const StoreName& store, const KeyChoice& keys,
               const request::JobStart& wanted, bool quiet) {
    RF_TRY(const auto holder, find_holder(store.path));
    if (!holder || holder->stopping || holder->socket.empty())
        return do_it_here(machine, store, keys, wanted, quiet);
    auto started = ask_daemon(holder->socket, wanted, kAnswerMs);
    if (!started && started.error().code() == Errc::kNotFound)
        return do_it_here(machine, store, keys, wanted, quiet);
    if (!started) return started;
    return watch(holder->socket, number_member(*started, "job", 0), quiet);
}

}  // namespace reelfs::app
