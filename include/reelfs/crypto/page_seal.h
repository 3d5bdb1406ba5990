// The seal of the catalog's pages (database and WAL), used by the SQLite VFS only.
//
// A sealed unit is `body` ciphertext followed by 40 bytes of trailer:
//     offset  size  meaning
//     0       8     session salt: random, drawn when the sealer is made and every 2^24 units
//     8       12    nonce: random per unit
//     20      4     mark: a number of the caller's, authenticated, readable without the key (WAL:
//     see vfs.h) 24      16    tag (AES-256-GCM)
// Key: derive(page key, "page", session salt); associated data: format version, kind, position,
// mark. Binding kind and position means a page cannot be moved within a file or between files.
#pragma once

#include <optional>

#include "reelfs/base/bytes.h"
#include "reelfs/base/mutex.h"
#include "reelfs/base/random.h"
#include "reelfs/crypto/aead.h"

namespace reelfs::crypto {

inline constexpr std::size_t kPageTrailerBytes = 40;

enum class PageKind : std::uint8_t { kDatabase = 1, kLogFrame = 2 };

struct PagePosition {
    PageKind kind;
    std::uint64_t index;  // page number, or frame number in the log
};

/// Thread-safe.
class PageSealer {
  public:
    PageSealer(SecretKey page_key, Random& random);
    ~PageSealer();

    /// sealed.size() == plain.size() + kPageTrailerBytes.
    void seal(PagePosition position, std::uint32_t mark, Bytes plain, MutableBytes sealed);
    /// The mark, with `plain` filled; nothing when the unit is not authentic.
    std::optional<std::uint32_t> open(PagePosition position, Bytes sealed, MutableBytes plain);

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace reelfs::crypto
