// Openers of large extents that were lately read from. To make one, a subkey is derived and
// expanded, which costs as much as opening half a block; a file that is read in many small places
// asks for the same few again and again.
//
// An opener is one reader's at a time: who takes one has it alone, and whoever wants the same
// meanwhile makes another. One place for each extent, by its id, and a newer one takes it over.
// Thread-safe, without locks.
#pragma once

#include <array>
#include <atomic>
#include <memory>

#include "reelfs/content/extent_codec.h"

namespace reelfs::content {

class OpenerCache {
  public:
    struct Item {
        ExtentOpener opener;
        std::uint64_t generation = 0;
    };

    OpenerCache() = default;
    ~OpenerCache() { forget(); }
    OpenerCache(const OpenerCache&) = delete;
    OpenerCache& operator=(const OpenerCache&) = delete;

    /// Null when it is not there, or somebody has it.
    std::unique_ptr<Item> take(const ExtentShape& shape) {
        std::unique_ptr<Item> item(place_of(shape).exchange(nullptr, std::memory_order_acq_rel));
        if (!item || item->opener.shape() == shape) return item;
        give_back(std::move(item));
        return nullptr;
    }
    /// To be asked before the key is: an opener of a key that forget() has since met is not kept.
    std::uint64_t generation() const { return generation_.load(std::memory_order_seq_cst); }
    static std::unique_ptr<Item> make(const crypto::SecretKey& container_key,
                                      const ExtentShape& shape, std::uint64_t generation) {
        return std::unique_ptr<Item>(new Item{ExtentOpener(container_key, shape), generation});
    }
    void give_back(std::unique_ptr<Item> item) {
        std::atomic<Item*>& place = place_of(item->opener.shape());
        const std::uint64_t generation = item->generation;
        delete place.exchange(item.release(), std::memory_order_acq_rel);
        // forget() may have passed this place before we filled it.
        if (generation != generation_.load(std::memory_order_seq_cst))
            delete place.exchange(nullptr, std::memory_order_acq_rel);
    }
    /// Wipes all keys that are here, and those in use when they come back.
    void forget() {
        generation_.fetch_add(1, std::memory_order_seq_cst);
        for (std::atomic<Item*>& place : places_)
            delete place.exchange(nullptr, std::memory_order_acq_rel);
    }

  private:
    std::atomic<Item*>& place_of(const ExtentShape& shape) {
        return places_[shape.extent.value() % places_.size()];  // ids are given out in turn
    }

    std::array<std::atomic<Item*>, 256> places_{};  // about 1 KiB each
    std::atomic<std::uint64_t> generation_{0};
};

}  // namespace reelfs::content
