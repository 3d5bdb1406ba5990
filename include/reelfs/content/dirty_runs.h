// Written bytes that are not sealed yet: runs in memory, in file order, never touching each other.
// Pure; the caller guards it.
//
// A run that a sequential writer extends gets room for a whole extent at once, so that bytes are
// copied once. Runs are handed over whole (take_*) to be sealed: from then on no writer can reach
// their buffers.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "reelfs/base/bytes.h"

namespace reelfs::content {

/// A part of a file in bytes.
struct ByteRange {
    std::uint64_t offset = 0;
    std::uint64_t length = 0;
    std::uint64_t end() const { return offset + length; }
    bool operator==(const ByteRange&) const = default;
};

struct DirtyRun {
    std::uint64_t offset = 0;  // in the file
    Buffer buffer;             // its capacity
    std::size_t length = 0;    // bytes of it in use
    std::uint64_t end() const { return offset + length; }
    Bytes bytes() const { return buffer.span().first(length); }
};

/// Copies what `run` holds of the `missing` parts of a file into `out` (whose first byte is file
/// offset `out_offset`), and takes those parts off `missing`.
void copy_from_run(const DirtyRun& run, std::uint64_t out_offset, MutableBytes out,
                   std::vector<ByteRange>& missing);

class DirtyRuns {
  public:
    /// `run_bytes_max`: where a run ends and the next begins.
    void write(std::uint64_t offset, Bytes bytes, std::size_t run_bytes_max);
    /// Like copy_from_run over all runs.
    void copy_to(std::uint64_t out_offset, MutableBytes out, std::vector<ByteRange>& missing) const;
    /// Forgets what it holds of a range.
    void drop(ByteRange range);
    bool empty() const { return runs_.empty(); }
    std::uint64_t bytes() const { return bytes_; }
    bool overlaps(ByteRange range) const;
    /// Start of the first dirty byte in [offset, end), or `end`; and the first clean one.
    std::uint64_t next_dirty(std::uint64_t offset, std::uint64_t end) const;
    std::uint64_t next_clean(std::uint64_t offset, std::uint64_t end) const;

    /// Runs that have reached `run_bytes_max`.
    std::vector<DirtyRun> take_full(std::size_t run_bytes_max);
    std::vector<DirtyRun> take_all();

  private:
    using Map = std::map<std::uint64_t, DirtyRun>;
    Map::const_iterator first_at(std::uint64_t offset) const;

    Map runs_;
    std::uint64_t bytes_ = 0;
    std::uint64_t last_taken_end_ = UINT64_MAX;  // a run that begins here is a stream going on
};

}  // namespace reelfs::content
