// Every sequence of steps, cut everywhere: see simulation.h. Those called Scaled take minutes;
// ctest runs them apart (label `scaled`), and at full scale they are all sequences of up to three
// steps. Each is played without a rule in the container; and with a transient one, if that makes a
// difference.
#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <sstream>
#include <thread>

#include "crash/simulation.h"
#include "support/scale.h"

namespace reelfs::test {
namespace {

/// Calls `take` for each possible sequence of `length` steps. With a rule: in which something comes
/// under it.
void each_sequence(const TreeState& initial, std::size_t length,
                   const std::function<void(const Sequence&)>& take) {
    const std::vector<Step> steps = every_step();
    Sequence sequence;
    const std::function<void(const TreeState&, std::int64_t, bool)> extend =
        [&](const TreeState& state, std::int64_t now_ms, bool matters) {
            matters = matters || state.has_transient();
            if (sequence.size() == length) return matters ? take(sequence) : void();
            for (const Step& step : steps) {
                if (!is_possible(state, step)) continue;
                const std::int64_t then_ms = now_ms + duration_ms(step);
                sequence.push_back(step);
                extend(after(state, step, sequence.size(), then_ms * 1'000'000), then_ms, matters);
                sequence.pop_back();
            }
        };
    extend(initial, 0, initial.rule == Rule::kNone);
}

Sequence random_sequence(SeededRandom& random, const TreeState& initial, std::size_t length) {
    const std::vector<Step> steps = every_step();
    Sequence sequence;
    TreeState state = initial;
    std::int64_t now_ms = 0;
    while (sequence.size() < length) {
        const Step step = steps[random.below(steps.size())];
        if (!is_possible(state, step)) continue;
        sequence.push_back(step);
        now_ms += duration_ms(step);
        state = after(state, step, sequence.size(), now_ms * 1'000'000);
    }
    return sequence;
}

void print(const Simulation& simulation) {
    const auto& counts = simulation.counts();
    std::printf("sequences %llu, moments %llu, cuts %llu, different disks opened %llu\n",
                static_cast<unsigned long long>(counts.sequences),
                static_cast<unsigned long long>(counts.moments),
                static_cast<unsigned long long>(counts.images),
                static_cast<unsigned long long>(counts.distinct));
    std::fflush(stdout);
}

constexpr CutOptions kFewCuts{.prefixes_only = true, .pages_lost_max = 0, .by_chance = 0};

/// Two grounds: without a rule, and with one.
class Grounds {
  public:
    Grounds(std::uint64_t seed, const CutOptions& options)
        : simulations_{Simulation(seed, options, Rule::kNone),
                       Simulation(seed, options, Rule::kTransient)} {}

    using Take = std::function<void(Simulation&, const Sequence&)>;
    void each(std::size_t length, const Take& take) {
        for (Simulation& simulation : simulations_)
            each_sequence(simulation.initial(), length,
                          [&](const Sequence& sequence) { take(simulation, sequence); });
    }
    std::uint64_t count(std::size_t length) {
        std::uint64_t all = 0;
        each(length, [&](Simulation&, const Sequence&) { ++all; });
        return all;
    }
    Simulation& any(SeededRandom& random) { return simulations_[random.below(2)]; }
    std::uint64_t distinct() const {
        return simulations_[0].counts().distinct + simulations_[1].counts().distinct;
    }
    void print() const {
        for (const Simulation& simulation : simulations_) test::print(simulation);
    }

  private:
    std::array<Simulation, 2> simulations_;
};

/// Plays the chosen of all sequences of `length` steps, in their order; each processor a stretch of
/// them, since neighbours leave many equal disks. Returns how many different ones were opened.
std::uint64_t play(std::uint64_t seed, const CutOptions& options, std::size_t length,
                   const std::vector<bool>& chosen) {
    const auto wanted = static_cast<std::uint64_t>(std::count(chosen.begin(), chosen.end(), true));
    const std::uint64_t threads =
        std::clamp<std::uint64_t>(std::thread::hardware_concurrency(), 1, 16);
    std::vector<std::unique_ptr<Grounds>> grounds;
    std::vector<std::jthread> players;
    for (std::uint64_t i = 0; i < threads; ++i) {
        Grounds& own = *grounds.emplace_back(std::make_unique<Grounds>(seed + i, options));
        const std::uint64_t from = wanted * i / threads, to = wanted * (i + 1) / threads;
        players.emplace_back([&chosen, &own, length, from, to] {
            std::uint64_t index = 0, place = 0;
            own.each(length, [&](Simulation& simulation, const Sequence& sequence) {
                if (!chosen[index++]) return;
                if (place >= from && place < to) simulation.run(sequence);
                ++place;
            });
        });
    }
    players.clear();  // waits for them
    std::uint64_t distinct = 0;
    for (const auto& own : grounds) {
        own->print();
        distinct += own->distinct();
    }
    return distinct;
}

/// REELFS_TEST_PART=3/8: the third of eight parts, where all would take hours.
struct Part {
    std::uint64_t number = 1, parts = 1;
};
Part asked_part() {
    Part part;
    const char* asked = std::getenv("REELFS_TEST_PART");
    if (asked == nullptr) return part;
    char slash = 0;
    std::istringstream text(asked);
    text >> part.number >> slash >> part.parts;
    if (!text || slash != '/' || part.number < 1 || part.number > part.parts) {
        ADD_FAILURE() << "REELFS_TEST_PART must be K/N, 1 to N of N; it is " << asked;
        return {};
    }
    return part;
}

std::vector<bool> sample(SeededRandom& random, std::uint64_t wanted, std::uint64_t all) {
    std::vector<bool> chosen(all);
    for (std::uint64_t i = 0; i < all; ++i) chosen[i] = random.below(all) < wanted;
    return chosen;
}

TEST(CrashSimulation, AfterEverySingleStep) {
    SeededRandom seeds;
    const std::uint64_t all = Grounds(seeds.seed(), kFewCuts).count(1);
    EXPECT_GT(play(seeds.seed(), kFewCuts, 1, std::vector<bool>(all, true)), 20u)
        << "or nothing was proven";
}

// Some of those that at CI scale may not be among the sequences of two and three steps.
TEST(ScaledCrashSimulation, AfterWhatExpiredOrGrewMetOtherSteps) {
    SeededRandom seeds;
    Simulation simulation(seeds.seed(), kFewCuts, Rule::kTransient);
    const Sequence cases[] = {
        {{Kind::kPut, 1}, {Kind::kExpire}},
        {{Kind::kStream, 1}, {Kind::kExpire}},
        {{Kind::kStream, 1}, {Kind::kStreamFails, 1}},
        {{Kind::kRename, 0}, {Kind::kExpire}},
        {{Kind::kClone, 0}, {Kind::kExpire}},
        {{Kind::kPut, 1}, {Kind::kPass}, {Kind::kStreamFails, 1}},
        {{Kind::kPut, 1}, {Kind::kPass}, {Kind::kStream, 1}},
        {{Kind::kClone, 0}, {Kind::kPass}, {Kind::kRename, 0}},
        {{Kind::kClone, 0}, {Kind::kPass}, {Kind::kLink, 0}},
        {{Kind::kPut, 1}, {Kind::kPass}, {Kind::kRestart}},
        {{Kind::kStream, 1}, {Kind::kRename, 1}, {Kind::kFsync, 0}},
    };
    for (const Sequence& one : cases) simulation.run(one);
    print(simulation);
    EXPECT_EQ(simulation.counts().sequences, std::size(cases));
}

TEST(ScaledCrashSimulation, AfterEverySequenceOfTwoSteps) {
    SeededRandom seeds;
    const CutOptions options = full_scale() ? CutOptions{} : kFewCuts;
    const std::uint64_t all = Grounds(seeds.seed(), options).count(2);
    print_scale("crash sequences of two steps", all, all);
    print_scale("kinds of cuts after two steps", full_scale() ? 5 : 2, 5);
    if (full_scale())  // with few cuts: AfterEverySingleStep
        play(seeds.seed(), options, 1,
             std::vector<bool>(Grounds(seeds.seed(), options).count(1), true));
    EXPECT_GT(play(seeds.seed(), options, 2, std::vector<bool>(all, true)), 1'000u)
        << "or nothing was proven";
}

TEST(ScaledCrashSimulation, AfterSequencesOfThreeSteps) {
    SeededRandom seeds;
    const std::uint64_t all = Grounds(seeds.seed(), {}).count(3);
    std::vector<bool> chosen(all);
    if (full_scale()) {
        const Part part = asked_part();
        std::fill(
            chosen.begin() + static_cast<std::ptrdiff_t>(all * (part.number - 1) / part.parts),
            chosen.begin() + static_cast<std::ptrdiff_t>(all * part.number / part.parts), true);
    } else {
        chosen = sample(seeds, 30, all);
    }
    print_scale("crash sequences of three steps",
                static_cast<std::uint64_t>(std::count(chosen.begin(), chosen.end(), true)), all);
    EXPECT_GT(play(seeds.seed(), {}, 3, chosen), 0u) << "or nothing was proven";
}

TEST(ScaledCrashSimulation, AfterLongerSequencesByChance) {
    SeededRandom seeds;
    Grounds grounds(seeds.seed(), {.every_subset_up_to = 3, .pages_lost_max = 6});
    const std::uint64_t wanted = full_scale() ? 3'000 : 10;
    print_scale("crash sequences of four to twelve steps", wanted, 3'000);
    for (std::uint64_t i = 0; i < wanted; ++i) {
        Simulation& simulation = grounds.any(seeds);
        simulation.run(random_sequence(seeds, simulation.initial(), 4 + seeds.below(9)));
    }
    grounds.print();
}

}  // namespace
}  // namespace reelfs::test
