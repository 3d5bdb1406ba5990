// Every sequence of steps, cut everywhere: see simulation.h. Those called Scaled take minutes;
// ctest runs them apart (label `crash`), and at full scale they are all sequences of up to three
// steps.
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "crash/simulation.h"

namespace reelfs::test {
namespace {

/// Calls `take` for each possible sequence of `length` steps.
void each_sequence(const TreeState& initial, std::size_t length,
                   const std::function<void(const Sequence&)>& take) {
    const std::vector<Step> steps = every_step();
    Sequence sequence;
    const std::function<void(const TreeState&)> extend = [&](const TreeState& state) {
        if (sequence.size() == length) return take(sequence);
        for (const Step& step : steps) {
            if (!is_possible(state, step)) continue;
            sequence.push_back(step);
            extend(after(state, step, sequence.size(), 0));
            sequence.pop_back();
        }
    };
    extend(initial);
}

Sequence random_sequence(SeededRandom& random, const TreeState& initial, std::size_t length) {
    const std::vector<Step> steps = every_step();
    Sequence sequence;
    TreeState state = initial;
    while (sequence.size() < length) {
        const Step step = steps[random.below(steps.size())];
        if (!is_possible(state, step)) continue;
        sequence.push_back(step);
        state = after(state, step, sequence.size(), 0);
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

bool full_scale() {
    const char* scale = std::getenv("REELFS_TEST_SCALE");
    return scale != nullptr && std::string_view(scale) == "full";
}

/// As tests/system/harness.py says it, for tools/test to collect.
void print_scale(const char* what, std::uint64_t now, std::uint64_t full) {
    std::printf("%s %llu of %llu\n", what, static_cast<unsigned long long>(now),
                static_cast<unsigned long long>(full));
    std::fflush(stdout);
}

constexpr CutOptions kFewCuts{.prefixes_only = true, .pages_lost_max = 0, .by_chance = 0};

TEST(CrashSimulation, AfterEverySingleStep) {
    SeededRandom seeds;
    Simulation simulation(seeds.seed(), kFewCuts);
    each_sequence(simulation.initial(), 1, [&](const Sequence& one) { simulation.run(one); });
    print(simulation);
    EXPECT_GT(simulation.counts().distinct, 20u) << "or nothing was proven";
}

TEST(ScaledCrashSimulation, AfterEverySequenceOfTwoSteps) {
    SeededRandom seeds;
    Simulation simulation(seeds.seed(), full_scale() ? CutOptions{} : kFewCuts);
    print_scale("kinds of cuts after two steps", full_scale() ? 5 : 2, 5);
    each_sequence(simulation.initial(), 1, [&](const Sequence& one) { simulation.run(one); });
    each_sequence(simulation.initial(), 2, [&](const Sequence& two) { simulation.run(two); });
    print(simulation);
    EXPECT_GT(simulation.counts().distinct, 1'000u) << "or nothing was proven";
}

TEST(ScaledCrashSimulation, AfterSequencesOfThreeSteps) {
    SeededRandom seeds;
    Simulation simulation(seeds.seed(), {});
    std::uint64_t all = 0;
    each_sequence(simulation.initial(), 3, [&](const Sequence&) { ++all; });
    const std::uint64_t wanted = full_scale() ? all : 30;
    print_scale("crash sequences of three steps", wanted, all);
    each_sequence(simulation.initial(), 3, [&](const Sequence& three) {
        if (full_scale() || seeds.below(all) < wanted) simulation.run(three);
    });
    print(simulation);
}

TEST(ScaledCrashSimulation, AfterLongerSequencesByChance) {
    SeededRandom seeds;
    Simulation simulation(seeds.seed(), {.every_subset_up_to = 3, .pages_lost_max = 6});
    const std::uint64_t wanted = full_scale() ? 3'000 : 10;
    print_scale("crash sequences of four to twelve steps", wanted, 3'000);
    for (std::uint64_t i = 0; i < wanted; ++i)
        simulation.run(random_sequence(seeds, simulation.initial(), 4 + seeds.below(9)));
    print(simulation);
}

}  // namespace
}  // namespace reelfs::test
