#include "app/progress.h"

#include <fmt/format.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <thread>

#include "app/process.h"
#include "app/text.h"
#include "reelfs/base/fd.h"

namespace reelfs::app {

namespace {

constexpr std::int64_t kSecond = 1'000'000'000;
constexpr std::int64_t kRateWindow = 10 * kSecond;
constexpr std::int64_t kLineEvery = 10 * kSecond;
constexpr int kRedrawMs = 250;
constexpr int kBarCells = 24;

std::int64_t steady_ns() {
    return std::chrono::steady_clock::now().time_since_epoch() / std::chrono::nanoseconds(1);
}

}  // namespace

Progress::Style Progress::style_of_stderr(bool quiet) {
    if (quiet) return Style::kNone;
    return ::isatty(STDERR_FILENO) != 0 ? Style::kTerminal : Style::kLines;
}

double Progress::rate(const core::Job::State& state, std::int64_t now_ns) {
    samples_.push_back({now_ns, state.done_bytes});
    while (samples_.size() > 2 && now_ns - samples_.front().at_ns > kRateWindow)
        samples_.pop_front();
    const Sample& first = samples_.front();
    const double seconds = static_cast<double>(now_ns - first.at_ns) / kSecond;
    if (seconds <= 0 || state.done_bytes < first.done_bytes) return 0;
    return static_cast<double>(state.done_bytes - first.done_bytes) / seconds;
}

void Progress::show(const core::Job::State& state, std::int64_t now_ns) {
    if (style_ == Style::kNone || state.stage.empty()) return;
    const bool fresh = state.stage != stage_;
    if (fresh) {
        stage_ = state.stage;
        samples_.clear();
    }
    const double per_second = rate(state, now_ns);
    if (style_ == Style::kTerminal) {
        fmt::print(out_, "\r{}\x1b[K", format_progress(state, per_second, kBarCells));
        drawn_ = true;
    } else if (fresh || now_ns - said_ns_ >= kLineEvery) {
        fmt::print(out_, "{}\n", format_progress(state, per_second, 0));
        said_ns_ = now_ns;
    }
    std::fflush(out_);
}

void Progress::clear() {
    if (!drawn_) return;
    fmt::print(out_, "\r\x1b[K");
    std::fflush(out_);
    drawn_ = false;
}

std::string format_duration(double seconds) {
    if (seconds < 60) return fmt::format("{:.0f} s", std::ceil(seconds));
    const auto minutes = static_cast<std::uint64_t>(std::ceil(seconds / 60));
    if (minutes < 60) return fmt::format("{} min", minutes);
    return fmt::format("{} h {} min", minutes / 60, minutes % 60);
}

std::string format_progress(const core::Job::State& state, double bytes_per_second, int bar_cells) {
    std::string line = state.stage;
    if (state.total_bytes != 0) {
        // The total is an estimate while others write: never more than all of it.
        const double part = std::min(
            1.0, static_cast<double>(state.done_bytes) / static_cast<double>(state.total_bytes));
        if (bar_cells > 0) {
            const auto filled = static_cast<std::size_t>(part * bar_cells);
            line += fmt::format(" [{}{}]", std::string(filled, '#'),
                                std::string(static_cast<std::size_t>(bar_cells) - filled, ' '));
        }
        line +=
            fmt::format(" {:.0f}%, {} of {}", std::floor(part * 100), format_size(state.done_bytes),
                        format_size(std::max(state.total_bytes, state.done_bytes)));
    } else if (state.done_bytes != 0) {
        line += ", " + format_size(state.done_bytes);
    }
    if (bytes_per_second >= 1) {
        line += fmt::format(", {}/s", format_size(static_cast<std::uint64_t>(bytes_per_second)));
        if (state.total_bytes > state.done_bytes)
            line += fmt::format(", {} left", format_duration(static_cast<double>(state.total_bytes -
                                                                                 state.done_bytes) /
                                                             bytes_per_second));
    }
    if (state.findings != 0)
        line +=
            fmt::format(", {} {}", state.findings, state.findings == 1 ? "finding" : "findings");
    return line;
}

Result<void> run_shown(core::Job& job, bool quiet, const std::function<Result<void>()>& work) {
    RF_TRY(const Fd signals, take_signals());
    const Fd over(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!over) return Error::from_errno(errno, "make an event descriptor");
    Result<void> result;
    std::thread worker([&] {
        ::pthread_setname_np(::pthread_self(), "job");
        result = work();
        const std::uint64_t one = 1;
        [[maybe_unused]] const ssize_t n = ::write(over.get(), &one, sizeof one);
    });
    Progress progress(Progress::style_of_stderr(quiet));
    while (true) {
        progress.show(job.state(), steady_ns());
        pollfd waiting[] = {{.fd = over.get(), .events = POLLIN, .revents = 0},
                            {.fd = signals.get(), .events = POLLIN, .revents = 0}};
        if (::poll(waiting, 2, kRedrawMs) <= 0) continue;
        signalfd_siginfo signal{};
        if (waiting[1].revents != 0 &&
            ::read(signals.get(), &signal, sizeof signal) == sizeof signal)
            job.cancel();
        if (waiting[0].revents != 0) break;
    }
    worker.join();
    progress.clear();
    return result;
}

}  // namespace reelfs::app
