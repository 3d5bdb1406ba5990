#include "crash/simulation.h"

#include <fmt/format.h>

namespace reelfs::test {

/// A disk as it was at one moment, and what had been promised.
struct Simulation::Moment {
    std::unique_ptr<SimDisk> disk;
    std::size_t promised = 0;        // states before this one may not come back
    std::vector<TreeState> allowed;  // from that state on
    std::int64_t now_ns = 0;
    std::string when;
};

/// One sequence, run to its end.
class Simulation::Run {
  public:
    Run(const Ground& ground, std::uint64_t seed)
        : random_(seed), disk_(ground.disk->kill()), states_{ground.initial} {
        clock_.advance_ms(1'000'000);
        volume_ = must(open_volume(*disk_, random_, clock_));
        folder_ = must(volume_->tree().lookup(kRootNode, "c")).node;
        remember_etags();
    }

    /// False when the product cannot do such a step.
    bool step(const Step& step, std::size_t number, bool is_last) {
        clock_.advance_ms(duration_ms(step));
        states_.push_back(after(states_.back(), step, number, clock_.now().ns));
        // Cloning into a name that is not there makes it first.
        if (step.kind == Kind::kClone && states_[states_.size() - 2].names.size() == 1)
            between_.push_back(after(states_[states_.size() - 2], {Kind::kCreate, 1 - step.name}, 0,
                                     clock_.now().ns));
        if (is_last) record();
        auto result = step.kind == Kind::kRestart
                          ? restart()
                          : run_step(volume_->tree(), folder_, step, number);
        disk_->set_hook({});
        if (!result && result.error().code() == Errc::kUnsupported && step.kind == Kind::kClone)
            return false;
        EXPECT_TRUE(result.ok()) << text_of(step) << ": " << result.error().message();
        if (promise(states_.back(), step)) {
            promised_ = states_.size() - 1;
            between_.clear();
        }
        remember_etags();
        if (is_last) take_moment("after the last step");
        return true;
    }

    std::vector<Moment> moments;
    std::map<std::string, std::uint64_t> etags;  // to the hash of the content it names

  private:
    void record() {
        disk_->set_hook([this](const CallInfo& call) -> std::optional<DiskFault> {
            if (call.kind == DiskCall::kSync || call.kind == DiskCall::kSyncDirectory)
                take_moment(fmt::format("before the sync of {}, call {}", call.path, call.nth));
            return std::nullopt;
        });
    }
    void take_moment(std::string when) {
        Moment moment{disk_->kill(), promised_, between_, clock_.now().ns, std::move(when)};
        moment.allowed.insert(moment.allowed.end(),
                              states_.begin() + static_cast<std::ptrdiff_t>(promised_),
                              states_.end());
        moments.push_back(std::move(moment));
    }
    Result<void> restart() {
        RF_CHECK(volume_->close());
        volume_.reset();
        RF_TRY(volume_, open_volume(*disk_, random_, clock_));
        return done();
    }
    void remember_etags() {
        const Observed now = must(read_tree(volume_->tree()));
        for (const auto& file : now.files) {
            auto [known, is_new] = etags.emplace(file.etag, file.hash);
            EXPECT_TRUE(is_new || known->second == file.hash)
                << "the ETag " << file.etag << " names two contents";
        }
        EXPECT_EQ(difference(now, states_.back(), clock_.now().ns), "");
    }

    SeededRandom random_;
    ManualClock clock_;
    std::unique_ptr<SimDisk> disk_;
    std::unique_ptr<core::Volume> volume_;
    NodeId folder_;
    std::vector<TreeState> states_;   // states_[i] after i steps
    std::vector<TreeState> between_;  // inside steps, since the last promise
    std::size_t promised_ = 0;
};

Simulation::Simulation(std::uint64_t seed, CutOptions options, Rule rule)
    : seed_(seed), options_(options), random_(seed), ground_(make_ground(random_, rule)) {}

void Simulation::run(const Sequence& sequence) {
    // Not the stream that made the ground: what is drawn twice is the same, as an ETag must not be.
    Run run(ground_, ~seed_);
    for (std::size_t i = 0; i < sequence.size(); ++i)
        if (!run.step(sequence[i], i + 1, i + 1 == sequence.size())) return;
    ++counts_.sequences;
    check(sequence, run);
}

void Simulation::check(const Sequence& sequence, Run& run) {
    for (const Moment& moment : run.moments) {
        ++counts_.moments;
        each_cut(*moment.disk, options_, random_,
                 [&](std::unique_ptr<SimDisk> image, const std::string& what) {
                     ++counts_.images;
                     check_image(sequence, run, moment, std::move(image), what);
                 });
    }
}

const Observed& Simulation::observed(const SimDisk& image) {
    auto [known, is_new] = known_.try_emplace(image.fingerprint());
    if (is_new) {
        ++counts_.distinct;
        known->second = observe(image, seed_ + counts_.distinct);
    }
    return known->second;
}

void Simulation::check_image(const Sequence& sequence, Run& run, const Moment& moment,
                             std::unique_ptr<SimDisk> image, const std::string& what) {
    const Observed& found = observed(*image);
    std::string failure;
    for (const auto& problem : found.problems) failure += "\n  " + problem;
    if (found.problems.empty()) {
        std::string differences;
        bool fits = false;
        for (const TreeState& state : moment.allowed) {
            const std::string differs = difference(found, state, moment.now_ns);
            fits = fits || differs.empty();
            differences += "\n  " + differs;
        }
        if (!fits) failure += "\n  none of the states that may be left:" + differences;
    }
    for (const auto& file : found.files)
        if (auto known = run.etags.find(file.etag);
            known != run.etags.end() && known->second != file.hash)
            failure += "\n  the ETag " + file.etag + " names two contents";
    if (!failure.empty())
        ADD_FAILURE() << "seed " << seed_ << ": "
                      << (ground_.initial.rule == Rule::kTransient ? "under a rule: " : "")
                      << text_of(sequence) << "; cut " << moment.when << " ("
                      << moment.disk->pending().size() << " changes pending), " << what << ":"
                      << failure;
}

}  // namespace reelfs::test
