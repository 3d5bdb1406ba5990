// Where the crash and failure tests begin: a store with one file in it, its container with or
// without a transient rule, cleanly stopped and wholly durable; and how a step is asked of a tree.
#pragma once

#include <memory>

#include "core/test_store.h"
#include "crash/steps.h"

namespace reelfs::test {

struct Ground {
    std::unique_ptr<SimDisk> disk;  // take kill() of it
    TreeState initial;
};
Ground make_ground(SeededRandom& random, Rule rule = Rule::kNone);

/// The clock has moved on by the step's duration. kRestart is not for the tree to do: kInvalid.
/// What a step shows on its way, and should not or not so, is kCorrupt.
Result<void> run_step(core::Tree& tree, NodeId folder, const Step& step, std::size_t number);

/// What is due by the tree's clock, until nothing more is.
Result<void> take_away_expired(core::Tree& tree);

}  // namespace reelfs::test
