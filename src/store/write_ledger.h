// Which parts of a pack are reserved, in flight, returned and durable. Arithmetic only: no I/O and
// no lock; Pack calls it under its own.
//
//     offset   0        4096      8192      12288
//              |returned |in flight|returned |next
//     returned_end() = 4096: the lowest byte whose write has not returned
//
// Invariants: durable_end <= returned_end <= end; regions start aligned and never overlap. A region
// whose write failed counts as returned: no Location names it, so "everything below the durable end
// survives" says nothing about its bytes.
#pragma once

#include <cstdint>
#include <set>

namespace reelfs::store {

class WriteLedger {
  public:
    /// Takes the next aligned region and counts its write as in flight. Returns its offset.
    std::uint64_t reserve(std::uint64_t length);
    /// The write at `offset` returned and is content.
    void returned(std::uint64_t offset);
    /// The write at `offset` failed; its region stays unused for ever.
    void abandoned(std::uint64_t offset);
    /// The write at `offset` failed for lack of room; the region is used again when it is the last.
    void given_back(std::uint64_t offset, std::uint64_t length);

    /// What a sync that begins now will cover.
    struct Mark {
        std::uint64_t returned_end = 0;
        std::uint64_t puts = 0;
    };
    Mark mark() const { return {returned_end(), puts_returned_}; }
    /// A sync that began at `mark` succeeded.
    void synced(const Mark& mark);

    /// Everything put below was synced.
    std::uint64_t durable_end() const { return durable_end_; }
    std::uint64_t returned_end() const { return in_flight_.empty() ? end_ : *in_flight_.begin(); }
    /// Where the last region ends.
    std::uint64_t end() const { return end_; }
    bool has_content() const { return puts_returned_ != 0; }
    bool idle() const { return in_flight_.empty(); }
    /// Every put that returned is durable, so that a sync has nothing to do.
    bool clean() const { return puts_synced_ == puts_returned_; }

  private:
    std::uint64_t end_ = 0;
    std::uint64_t durable_end_ = 0;
    std::uint64_t puts_returned_ = 0;
    std::uint64_t puts_synced_ = 0;
    std::set<std::uint64_t> in_flight_;  // offsets
};

}  // namespace reelfs::store
