// One call to the disk fails: the n-th write, sync, truncation ... for n = 1, 2, ... until the work
// meets none. Each time: whoever was told "done" finds it after a kill and after a power cut, the
// rest is as it was before or after the step that failed, no byte is wrong; and a failed sync stays
// failed.
#include <fmt/format.h>

#include <cstdio>
#include <optional>

#include "crash/ground.h"
#include "crash/observed.h"
#include "support/scale.h"

namespace reelfs::test {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::uint64_t kSlower = 6;
#else
constexpr std::uint64_t kSlower = 1;
#endif

const Sequence kWork{
    {Kind::kCreate, 1},    {Kind::kAppendSmall, 1}, {Kind::kFsync, 1},    {Kind::kAppend, 1},
    {Kind::kOverwrite, 0}, {Kind::kAppend, 0},      {Kind::kFillHole, 0}, {Kind::kFsync, 0},
    {Kind::kAppend, 0},    {Kind::kRename, 0},      {Kind::kPut, 0},      {Kind::kTruncate, 1},
    {Kind::kAppend, 1},    {Kind::kSyncFolder, 0},  {Kind::kUnlink, 1},   {Kind::kLink, 0},
    {Kind::kAppend, 0},    {Kind::kExtend, 0},      {Kind::kPut, 1},      {Kind::kAppendSmall, 1},
    {Kind::kFsync, 1},     {Kind::kStreamFails, 1}, {Kind::kStream, 1},   {Kind::kExpire, 1},
    {Kind::kAppend, 0},    {Kind::kOverwrite, 0}};

/// The work on one disk with one fault, and what may be left of it.
class Attempt {
  public:
    Attempt(const Ground& ground, std::uint64_t seed)
        : random_(seed), disk_(ground.disk->kill()), now_(ground.initial), allowed_{now_} {
        clock_.advance_ms(1'000'000);
        volume_ = must(open_volume(*disk_, random_, clock_));
        folder_ = must(volume_->tree().lookup(kRootNode, "c")).node;
    }

    SimDisk& disk() { return *disk_; }

    void work() {
        for (std::size_t i = 0; i < kWork.size(); ++i) {
            if (!is_possible(now_, kWork[i])) continue;  // after an earlier step failed
            clock_.advance_ms(duration_ms(kWork[i]));
            SCOPED_TRACE(text_of(kWork[i]));
            step(kWork[i], i + 1);
            if (testing::Test::HasFailure()) return;
        }
    }

    /// Everything done must be there after a kill (but for what a failed sync threw away), and all
    /// that was promised after a power cut.
    void check_left(bool a_sync_failed) {
        check("killed", *disk_->kill(), !a_sync_failed);
        for (const Crash choice : {Crash::kSynced, Crash::kMixed, Crash::kWritten})
            check(fmt::format("power cut {}", static_cast<int>(choice)),
                  *disk_->crash(choice, random_), false);
    }

  private:
    void step(const Step& step, std::size_t number) {
        const TreeState next = after(now_, step, number, clock_.now().ns);
        const bool was_read_only = !volume_->degraded().empty();
        auto result = run_step(volume_->tree(), folder_, step, number);
        if (result) {
            EXPECT_FALSE(was_read_only && step.kind != Kind::kSyncFolder)
                << "it was done on a store that takes no writes";
            now_ = next;
            in_doubt_.reset();
            allowed_.push_back(now_);
            if (promise(now_, step)) {
                allowed_ = {now_};
                EXPECT_FALSE(was_read_only) << "promised after a disk error";
            }
            return;
        }
        if (was_read_only) {
            EXPECT_EQ(result.error().code(), Errc::kReadOnly);
            return;
        }
        // It failed: then it has not happened, or it has, and nothing in between.
        auto seen = read_tree(volume_->tree());
        ASSERT_TRUE(seen.ok()) << seen.error().message();
        // One made for an upload goes with it; if that fails, with its bytes: in the background,
        // which has stopped here, or at the next start.
        seen->folders.clear();
        const std::int64_t now = clock_.now().ns;
        const std::string unlike_before = difference(*seen, now_, now);
        const std::string unlike_after = difference(*seen, next, now);
        EXPECT_TRUE(unlike_before.empty() || unlike_after.empty())
            << result.error().message() << "\n  before: " << unlike_before
            << "\n  after: " << unlike_after;
        in_doubt_ = unlike_before.empty() ? next : now_;
        if (!unlike_before.empty()) now_ = next;
        allowed_.push_back(*in_doubt_);
        allowed_.push_back(now_);
    }

    void check(const std::string& how, const SimDisk& image, bool all_of_it) {
        const Observed found = observe(image, 7);
        std::string failure;
        for (const auto& problem : found.problems) failure += "\n  " + problem;
        std::vector<TreeState> states = allowed_;
        if (all_of_it) {
            states = {now_};
            if (in_doubt_) states.push_back(*in_doubt_);
            for (TreeState& state : states)
                for (auto& [id, file] : state.files) file.floor = file.bytes.size();
        }
        std::string differences;
        bool fits = false;
        for (const TreeState& state : states) {
            const std::string differs = difference(found, state, clock_.now().ns);
            fits = fits || differs.empty();
            differences += "\n  " + differs;
        }
        if (!fits && found.problems.empty())
            failure += "\n  none of the states that may be left:" + differences;
        EXPECT_EQ(failure, "") << how;
    }

    SeededRandom random_;
    ManualClock clock_;
    std::unique_ptr<SimDisk> disk_;
    std::unique_ptr<core::Volume> volume_;
    NodeId folder_;
    TreeState now_;
    std::optional<TreeState> in_doubt_;  // what the last step, which failed, may have left instead
    std::vector<TreeState> allowed_;     // what a power cut may leave
};

struct Case {
    DiskCall kind;
    DiskFault fault;
};
const Case kCases[] = {
    {DiskCall::kWrite, {.code = Errc::kIo}},
    {DiskCall::kWrite, {.code = Errc::kIo, .written_bytes = 5'000}},
    {DiskCall::kWrite, {.code = Errc::kNoSpace}},
    {DiskCall::kWrite, {.code = Errc::kNoSpace, .written_bytes = 4'096}},
    {DiskCall::kSync, {.code = Errc::kIo}},
    {DiskCall::kSync, {.code = Errc::kNoSpace}},
    {DiskCall::kTruncate, {.code = Errc::kIo}},
    {DiskCall::kAllocate, {.code = Errc::kIo}},
    {DiskCall::kAllocate, {.code = Errc::kNoSpace}},
    {DiskCall::kSyncDirectory, {.code = Errc::kIo}},
    {DiskCall::kOpen, {.code = Errc::kIo}},
    {DiskCall::kOpen, {.code = Errc::kNoSpace}},
    {DiskCall::kRead, {.code = Errc::kIo}},
    {DiskCall::kMakeDirectory, {.code = Errc::kNoSpace}},
};

/// One case, for every `stride`-th n from `first` on, until the work meets no fault. Answers how
/// often it met one.
int fail_each(const Ground& ground, std::uint64_t seed, const Case& one, std::uint64_t first,
              std::uint64_t stride) {
    int met = 0;
    for (std::uint64_t n = first;; n += stride) {
        SCOPED_TRACE(fmt::format("case {}, call {}", &one - kCases, n));
        Attempt attempt(ground, seed);
        attempt.disk().fail_nth(one.kind, n, one.fault);
        const std::uint64_t before = attempt.disk().calls(one.kind);
        attempt.work();
        const bool meets = attempt.disk().calls(one.kind) - before >= n;
        attempt.disk().set_hook({});
        if (!meets) return met;
        attempt.check_left(one.kind == DiskCall::kSync);
        ++met;
        if (testing::Test::HasFailure()) return met;
    }
}

TEST(Failures, OfACallToTheDiskLoseNothingAcknowledged) {
    SeededRandom seeds;
    const Ground ground = make_ground(seeds, Rule::kTransient);
    int met = 0;
    for (const Case& one : kCases)
        met += fail_each(ground, seeds.seed(), one, 1 + seeds.below(10), 10 * kSlower);
    EXPECT_GT(met, 3) << "or nothing was proven";
}

TEST(ScaledFailures, OfEachCallToTheDiskLoseNothingAcknowledged) {
    SeededRandom seeds;
    const Ground ground = make_ground(seeds, Rule::kTransient);
    const std::uint64_t stride = full_scale() ? 1 : 2;
    print_scale("calls to the disk that fail, of each two", 2 / stride, 2);
    for (const Case& one : kCases) {
        const int met = fail_each(ground, seeds.seed(), one, 1 + seeds.below(stride), stride);
        std::printf("case %td: failing calls played %d\n", &one - kCases, met);
        std::fflush(stdout);
        if (testing::Test::HasFailure()) return;
    }
}

}  // namespace
}  // namespace reelfs::test
