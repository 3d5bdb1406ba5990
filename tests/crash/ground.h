// Where the crash and failure tests begin: a store with one file in it, cleanly stopped and wholly
// durable; and how a step is asked of a tree.
#pragma once

#include <memory>

#include "core/test_store.h"
#include "crash/steps.h"

namespace reelfs::test {

struct Ground {
    std::unique_ptr<SimDisk> disk;  // take kill() of it
    TreeState initial;
};
Ground make_ground(SeededRandom& random);

/// kRestart is not for the tree to do: kInvalid.
Result<void> run_step(core::Tree& tree, NodeId folder, const Step& step, std::size_t number);

}  // namespace reelfs::test
