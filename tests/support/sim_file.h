// A simulated file's content and the arithmetic of what a power cut leaves of it: values only, no
// locks (SimDisk holds its one lock around every call). Pages are shared between images until one
// of them writes, so that copying a disk is cheap.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "reelfs/base/bytes.h"
#include "reelfs/base/random.h"
#include "support/sim_disk.h"

namespace reelfs::test {

inline constexpr std::uint64_t kPageBytes = 4096;
inline constexpr std::uint64_t kSectorBytes = 512;

struct Page {
    std::atomic<bool> shared{false};             // once in two images: copied before it is written
    mutable std::atomic<std::uint64_t> hash{0};  // of `bytes`; 0: not known
    std::array<std::byte, kPageBytes> bytes{};
};

/// One change of a file, in the order of the disk's `sequence`.
struct Change {
    enum class Kind { kWrite, kTruncate, kPunch, kAllocate };
    Kind kind;
    std::uint64_t sequence;
    std::uint64_t offset;  // of a truncation: the new size
    std::uint64_t length;
    std::shared_ptr<const std::vector<std::byte>> bytes;  // of a write

    /// True when the content of this page depends on it.
    bool touches(std::uint64_t page) const;
    bool is_hole() const { return kind == Kind::kTruncate || kind == Kind::kPunch; }
};

/// Sparse content: absent pages are holes.
class Image {
  public:
    Image() = default;
    Image(const Image& other) { *this = other; }
    Image& operator=(const Image& other);

    std::uint64_t size() const { return size_; }
    std::uint64_t page_count() const { return pages_.size(); }
    /// Indices of the pages that are not holes.
    std::vector<std::uint64_t> pages() const;
    std::size_t read(std::uint64_t offset, MutableBytes out) const;
    void apply(const Change& change);
    /// The part of `change` inside one page, without the change of size.
    void apply_to_page(const Change& change, std::uint64_t page);
    void write(std::uint64_t offset, Bytes bytes);
    /// Cuts or extends with a hole.
    void set_size(std::uint64_t size);
    /// Equal for equal sizes and bytes; a hole is zeros.
    std::uint64_t fingerprint() const;
    /// Pages that a write or allocation of this range would add.
    std::uint64_t pages_missing(std::uint64_t offset, std::uint64_t length) const;

  private:
    std::byte* writable(std::uint64_t page);
    void write_page(std::uint64_t page, std::uint64_t inside, Bytes bytes);
    void punch(std::uint64_t offset, std::uint64_t length);

    std::map<std::uint64_t, std::shared_ptr<Page>> pages_;
    std::uint64_t size_ = 0;
};

/// The size after a change.
std::uint64_t size_after(const Change& change, std::uint64_t size);

/// What a power cut leaves of a file: `durable`, then `log` in part. `moment` is the sequence
/// number at which kTorn stops.
Image image_after_crash(const Image& durable, const std::vector<Change>& log, Crash choice,
                        std::uint64_t moment, Random& random);

Image image_after_cut(const Image& durable, const std::vector<Change>& log, const Cut& cut);

}  // namespace reelfs::test
