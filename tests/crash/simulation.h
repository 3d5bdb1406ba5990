// The crash simulation: runs a sequence of steps on a recorded disk and checks every disk that a
// power cut during or after the last step may leave. (Cuts during earlier steps are those of
// shorter sequences.)
//
// Cuts are looked at before each sync and after the step: between two syncs what may be lost only
// grows, so any earlier moment's disks are among those of the next. Equal images are opened once.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <unordered_map>

#include "crash/cuts.h"
#include "crash/ground.h"
#include "crash/observed.h"
#include "crash/steps.h"

namespace reelfs::test {

class Simulation {
  public:
    struct Counts {
        std::uint64_t sequences = 0, moments = 0, images = 0, distinct = 0;
    };

    Simulation(std::uint64_t seed, CutOptions options, Rule rule = Rule::kNone);

    /// Adds a gtest failure for each promise broken, with the sequence and the cut. The steps must
    /// be possible one after the other.
    void run(const Sequence& sequence);
    const Counts& counts() const { return counts_; }
    const TreeState& initial() const { return ground_.initial; }

  private:
    struct Moment;
    class Run;
    void check(const Sequence& sequence, Run& run);
    void check_image(const Sequence& sequence, Run& run, const Moment& moment,
                     std::unique_ptr<SimDisk> image, const std::string& what);
    const Observed& observed(const SimDisk& image);

    const std::uint64_t seed_;
    const CutOptions options_;
    SeededRandom random_;
    const Ground ground_;
    std::unordered_map<std::uint64_t, Observed> known_;
    Counts counts_;
};

}  // namespace reelfs::test
