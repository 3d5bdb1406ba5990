// What a person sees of long work.
#include "app/progress.h"

#include <gtest/gtest.h>

#include <memory>

namespace reelfs::app {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;
constexpr std::uint64_t kMiB = 1 << 20;

class Output {
  public:
    Output() : file_(std::tmpfile(), &std::fclose) {}
    std::FILE* file() { return file_.get(); }
    std::string text() {
        std::string all(static_cast<std::size_t>(std::ftell(file())), '\0');
        std::rewind(file());
        all.resize(std::fread(all.data(), 1, all.size(), file()));
        return all;
    }

  private:
    std::unique_ptr<std::FILE, int (*)(std::FILE*)> file_;
};

core::Job::State at(std::uint64_t done, std::uint64_t total) {
    return {.stage = "verifying", .done_bytes = done, .total_bytes = total, .findings = 0};
}

TEST(Progress, SaysHowFarHowFastAndHowLong) {
    EXPECT_EQ(format_progress(at(50 * kMiB, 100 * kMiB), 10 * kMiB, 10),
              "verifying [#####     ] 50%, 50.0 MiB of 100.0 MiB, 10.0 MiB/s, 5 s left");
    EXPECT_EQ(format_progress(at(0, 0), 0, 10), "verifying");
    EXPECT_EQ(format_progress(at(kMiB, 0), 0, 10), "verifying, 1.0 MiB");
}

TEST(Progress, MoreThanEstimatedIsNeverMoreThanAll) {
    EXPECT_EQ(format_progress(at(30 * kMiB, 20 * kMiB), 0, 4),
              "verifying [####] 100%, 30.0 MiB of 30.0 MiB");
}

TEST(Progress, CountsFindings) {
    auto state = at(0, 0);
    state.findings = 1;
    EXPECT_EQ(format_progress(state, 0, 0), "verifying, 1 finding");
    state.findings = 2;
    EXPECT_EQ(format_progress(state, 0, 0), "verifying, 2 findings");
}

TEST(Progress, DurationsAreRoundedForPeople) {
    EXPECT_EQ(format_duration(0.2), "1 s");
    EXPECT_EQ(format_duration(59), "59 s");
    EXPECT_EQ(format_duration(61), "2 min");
    EXPECT_EQ(format_duration(7'200), "2 h 0 min");
}

TEST(Progress, WithoutATerminalThereArePlainLinesNowAndThen) {
    Output out;
    {
        Progress progress(Progress::Style::kLines, out.file());
        for (int i = 0; i <= 100; ++i)
            progress.show(at(static_cast<std::uint64_t>(i) * kMiB, 100 * kMiB), i * kSecond / 4);
    }
    const std::string text = out.text();
    EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 3) << text;
    EXPECT_EQ(text.find('\r'), std::string::npos);
    EXPECT_NE(text.find("4.0 MiB/s"), std::string::npos) << text;
}

TEST(Progress, OnATerminalOneLineIsDrawnAgainAndTakenAway) {
    Output out;
    {
        Progress progress(Progress::Style::kTerminal, out.file());
        progress.show(at(0, kMiB), 0);
        progress.show(at(kMiB, kMiB), kSecond);
    }
    const std::string text = out.text();
    EXPECT_EQ(text.find('\n'), std::string::npos);
    EXPECT_TRUE(text.ends_with("\r\x1b[K")) << text;
}

TEST(Progress, AJobThatIsCancelledStopsAtItsNextStep) {
    core::Job job(1);  // a byte a second: only the cancel ends it
    job.cancel();
    EXPECT_EQ(job.advance(1'000'000).error().code(), Errc::kCancelled);
    EXPECT_EQ(job.check_cancelled().error().code(), Errc::kCancelled);
}

}  // namespace
}  // namespace reelfs::app
