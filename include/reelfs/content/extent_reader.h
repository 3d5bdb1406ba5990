// Plaintext ranges of sealed extents: reads tags and blocks from the store, opens them, keeps small
// reads in the cache. Every byte returned was authenticated in this call or when it entered the
// cache. Thread-safe.
//
// Cost of a cold read: one pread for an extent of at most 64 KiB or whose tag table is cached, else
// two.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <vector>

#include "reelfs/base/pins.h"
#include "reelfs/base/result.h"
#include "reelfs/content/block_cache.h"
#include "reelfs/crypto/secret.h"
#include "reelfs/model/extent.h"
#include "reelfs/store/extent_store.h"

namespace reelfs::content {

/// Keys by container and id. Implemented above (core/keys.h). Thread-safe.
class KeySource {
  public:
    virtual ~KeySource() = default;
    virtual Result<std::shared_ptr<const crypto::SecretKey>> container_key(ContainerId container,
                                                                           KeyId key) = 0;
};

/// The sealed bytes of extents that live in the catalog. Implemented above. Thread-safe.
class InlineSource {
  public:
    virtual ~InlineSource() = default;
    virtual Result<std::vector<std::byte>> inline_bytes(ExtentId extent) = 0;
};

enum class Caching {
    kKeep,       // leave opened blocks in the cache: hot content
    kKeepAgain,  // from the second time on: small reads, most of which never come again
    kBypass,     // large reads that somebody else caches (the kernel, for the mount)
};

/// Remembers, roughly, which blocks were asked for lately and not found. Thread-safe.
class RecentMisses {
  public:
    /// Whether this block was missed lately; from now on it was.
    bool note(const BlockKey& key);

  private:
    std::array<std::atomic<std::uint64_t>, 8192> marks_{};  // by hash; a newer one overwrites
};

class OpenerCache;

class ExtentReader {
  public:
    ExtentReader(store::ExtentStore& store, InlineSource& inlines, KeySource& keys,
                 BlockCache& cache);
    ~ExtentReader();

    /// Fills `out` with plaintext from `start`. kCorrupt when a block needed is damaged or missing.
    Result<void> read(const PlacedExtent& extent, std::uint64_t start, MutableBytes out,
                      Caching caching);
    /// Appends [start, start + length) of the plaintext to `pins`, through the cache. A piece
    /// smaller than half its block is copied, so that what is held is at most twice what was asked
    /// for. On an error they are as they were.
    Result<void> pin(const PlacedExtent& extent, std::uint64_t start, std::size_t length,
                     Pins& pins);
    /// From the cache only: never blocks. False when a block is not there; `pins` may have grown
    /// all the same.
    bool pin_cached(const PlacedExtent& extent, std::uint64_t start, std::size_t length,
                    Pins& pins);
    /// Wipes the expanded keys kept for the next read. After keys were taken from the source.
    void forget_keys();
    /// How many reads have met damage.
    std::uint64_t damaged() const { return damaged_; }

  private:
    class Session;
    Result<void> counted(Result<void> outcome);
    store::ExtentStore& store_;
    InlineSource& inlines_;
    KeySource& keys_;
    BlockCache& cache_;
    RecentMisses misses_;
    std::unique_ptr<OpenerCache> openers_;
    std::atomic<std::uint64_t> damaged_{0};
};

}  // namespace reelfs::content
