// The seal of the catalog's pages (database and WAL), used by the SQLite VFS only.
//
// A sealed unit is `body` ciphertext followed by 40 bytes of trailer:
//
//     offset  size  meaning
//     0       8     session salt: random, drawn when the sealer is made and every 2^24 units
//     8       12    nonce: random per unit
//     20      4     mark: the caller's number, authenticated, readable without the key (see vfs.h)
//     24      16    tag (AES-256-GCM)
//
// Key: derive(page key, "page", session salt). Associated data, 16 bytes: version 1 (2 bytes), kind
// (1), zero (1), mark (4), index (8). Binding kind and index means that a page cannot be moved
// within a file or between files. Format: man/reelfs-format.5, "SEALED PAGES".
#pragma once

#include <memory>
#include <optional>

#include "reelfs/base/bytes.h"
#include "reelfs/base/random.h"
#include "reelfs/crypto/secret.h"

namespace reelfs::crypto {

inline constexpr std::size_t kPageTrailerBytes = 40;
/// Units sealed under one session salt. Random 96-bit nonces then meet with chance 2^-49.
inline constexpr std::uint64_t kPagesPerSalt = 1u << 24;

enum class PageKind : std::uint8_t { kDatabase = 1, kLogFrame = 2 };

struct PagePosition {
    PageKind kind;
    std::uint64_t index;  // page number, or frame number in the log
};

/// Thread-safe; callers meet only for the moment it takes to borrow an expanded key. Keeps the keys
/// of the 64 salts used last, at most 16 idle ones each: about 1 MiB at the very most. Draws nonces
/// ahead, so make it after the last fork: two processes must never seal with one sealer.
class PageSealer {
  public:
    /// `random` must outlive the sealer. `pages_per_salt` is smaller only in tests.
    PageSealer(SecretKey page_key, Random& random, std::uint64_t pages_per_salt = kPagesPerSalt);
    ~PageSealer();

    /// sealed.size() == plain.size() + kPageTrailerBytes. In place (plain is the front of sealed)
    /// allowed.
    void seal(PagePosition position, std::uint32_t mark, Bytes plain, MutableBytes sealed);
    /// The mark, with `plain` filled; nothing, and `plain` wiped, when the unit is not authentic or
    /// the sizes do not fit. In place allowed.
    std::optional<std::uint32_t> open(PagePosition position, Bytes sealed, MutableBytes plain);

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace reelfs::crypto
