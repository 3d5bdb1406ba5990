// Randomness comes in as an argument; production passes crypto/random.h, tests a seeded one.
#pragma once

#include "reelfs/base/bytes.h"

namespace reelfs {

class Random {
  public:
    virtual ~Random() = default;
    /// Fills `out`. Thread-safe; never fails.
    virtual void fill(MutableBytes out) = 0;

    template <class Integer>
    Integer integer() {
        Integer value;
        fill(std::as_writable_bytes(std::span(&value, 1)));
        return value;
    }
};

}  // namespace reelfs
