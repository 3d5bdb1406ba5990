#include "reelfs/content/extent_reader.h"

#include <algorithm>

#include "content/opener_cache.h"
#include "reelfs/content/extent_codec.h"
#include "reelfs/model/limits.h"

namespace reelfs::content {

namespace {

constexpr std::uint64_t kWholeReadMax = 64 * limits::KiB;
constexpr std::size_t kBypassFrom =
    4;  // blocks; below, a read goes through the cache whatever was asked

/// The part of a block that a range wants.
struct Part {
    std::size_t in_block = 0;
    std::size_t in_out = 0;
    std::size_t length = 0;
};

Part part_of(const ExtentLayout& layout, BlockIndex block, std::uint64_t start,
             std::size_t length) {
    const std::uint64_t block_start = layout.plain_start(block);
    const std::uint64_t from = std::max(start, block_start);
    const std::uint64_t to = std::min(start + length, block_start + layout.plain_length(block));
    return {static_cast<std::size_t>(from - block_start), static_cast<std::size_t>(from - start),
            static_cast<std::size_t>(to - from)};
}

}  // namespace

/// One range of one extent.
class ExtentReader::Session {
  public:
    Session(ExtentReader& reader, const PlacedExtent& extent, std::uint64_t start,
            std::size_t length)
        : reader_(reader), extent_(extent), layout_(extent.shape), start_(start), length_(length) {}
    ~Session() {
        if (opener_ && is_read_in_parts()) reader_.openers_->give_back(std::move(opener_));
    }
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;

    Result<void> check() const {
        if (start_ + length_ > extent_.shape.plain_bytes)
            return Error(Errc::kCorrupt, "a slice reaches beyond its extent");
        return done();
    }

    Result<void> read(MutableBytes out, Caching caching) {
        RF_CHECK(check());
        const std::uint32_t first = first_block().value(), last = last_block().value();
        const bool bypass =
            caching == Caching::kBypass && last - first + 1 >= kBypassFrom && extent_.location.pack;
        for (std::uint32_t i = first; i <= last;) {
            if (bypass && whole(BlockIndex(i)) && (i == first || i == last)) {
                // An edge that an earlier read has left in the cache.
                if (auto block = cached(BlockIndex(i))) {
                    copy_out(BlockIndex(i++), block->span(), out);
                    continue;
                }
            }
            if (bypass && whole(BlockIndex(i))) {
                std::uint32_t stop = i + 1;  // a run of blocks to read at once
                while (stop <= last && whole(BlockIndex(stop))) ++stop;
                RF_CHECK(read_in_place(BlockIndex(i), stop - i, out));
                i = stop;
            } else {
                RF_CHECK(read_block(BlockIndex(i++), out, caching));
            }
        }
        return done();
    }

    Result<void> pin(Pins& pins) {
        RF_CHECK(check());
        const std::size_t before = pins.size();
        for (std::uint32_t i = first_block().value(); i <= last_block().value(); ++i) {
            auto block = cached_or_opened(BlockIndex(i));
            if (!block) {
                pins.resize(before);
                return std::move(block).error();
            }
            append(BlockIndex(i), *block, pins);
        }
        return done();
    }

    bool pin_cached(Pins& pins) {
        for (std::uint32_t i = first_block().value(); i <= last_block().value(); ++i) {
            const BlockCache::Block block = cached(BlockIndex(i));
            if (!block) return false;
            append(BlockIndex(i), block, pins);
        }
        return true;
    }

  private:
    Result<void> read_block(BlockIndex block, MutableBytes out, Caching caching) {
        BlockCache::Block plain = cached(block);
        if (!plain && caching == Caching::kKeepAgain &&
            !reader_.misses_.note({extent_.shape.extent, block})) {
            // Where the last one was opened: memory that is mapped, and warm.
            thread_local Buffer scratch;
            const std::size_t size = layout_.sealed_length(block);
            if (scratch.size() < size) scratch = Buffer(size);
            const MutableBytes opened = scratch.span().first(size);
            // Alone it is one of many places; beside others the page cache reads ahead.
            RF_CHECK(open_into(block, opened, first_block() == last_block()));
            copy_out(block, opened, out);
            return done();
        }
        if (!plain) {
            RF_TRY(plain, open(block));
        }
        copy_out(block, plain->span(), out);
        return done();
    }

    BlockIndex first_block() const { return layout_.block_of(start_); }
    BlockIndex last_block() const { return layout_.block_of(start_ + length_ - 1); }

    BlockCache::Block cached(BlockIndex block) {
        return reader_.cache_.find({extent_.shape.extent, block});
    }

    Result<BlockCache::Block> cached_or_opened(BlockIndex block) {
        if (auto found = cached(block)) return found;
        return open(block);
    }

    void append(BlockIndex block, const BlockCache::Block& plain, Pins& pins) const {
        const Part part = part_of(layout_, block, start_, length_);
        const Bytes wanted = plain->span().subspan(part.in_block, part.length);
        if (part.length * 2 >= plain->size()) {
            pins.push_back({plain, wanted});
            return;
        }
        Buffer copy(part.length);
        std::memcpy(copy.data(), wanted.data(), part.length);
        auto owner = std::make_shared<const Buffer>(std::move(copy));
        pins.push_back({owner, owner->span()});
    }

    /// A block that lies in the output entirely and needs no padding: it may be opened where it is
    /// wanted.
    bool whole(BlockIndex block) const {
        const std::uint64_t from = layout_.plain_start(block);
        return from >= start_ && from + layout_.block_bytes() <= start_ + length_ &&
               layout_.plain_length(block) == layout_.block_bytes();
    }

    void copy_out(BlockIndex block, Bytes plain, MutableBytes out) const {
        const Part part = part_of(layout_, block, start_, length_);
        std::memcpy(out.data() + part.in_out, plain.data() + part.in_block, part.length);
    }

    Result<void> load_opener() {
        if (opener_) return done();
        if (is_read_in_parts()) opener_ = reader_.openers_->take(extent_.shape);
        if (opener_) return done();
        const std::uint64_t generation = reader_.openers_->generation();
        RF_TRY(auto key, reader_.keys_.container_key(extent_.shape.container, extent_.shape.key));
        opener_ = OpenerCache::make(*key, extent_.shape, generation);
        return done();
    }

    /// Others are read whole, and seldom again.
    bool is_read_in_parts() const {
        return extent_.location.pack && layout_.total_length() > kWholeReadMax;
    }

    /// A pack that is gone is damage, never "no such file".
    Result<void> read_stored(std::uint64_t skip, MutableBytes out, bool once = false) {
        auto read = once ? reader_.store_.read_once(extent_.location, skip, out)
                         : reader_.store_.read(extent_.location, skip, out);
        if (!read && read.error().code() == Errc::kNotFound)
            return Error(Errc::kCorrupt, read.error().message());
        return read;
    }

    /// Makes tags_ available; for small and inline extents also all sealed bytes.
    Result<void> load_tags() {
        if (!tags_.empty()) return done();
        if (!extent_.location.pack) {
            RF_TRY(inline_, reader_.inlines_.inline_bytes(extent_.shape.extent));
            if (inline_.size() != layout_.total_length())
                return Error(Errc::kCorrupt, "an inline extent has the wrong length");
            sealed_ = inline_;
        } else if (extent_.location.length < layout_.total_length()) {
            return Error(Errc::kCorrupt, "an extent's length contradicts its shape");
        } else if (cached_tags_ = reader_.cache_.find({extent_.shape.extent, kTagTable});
                   cached_tags_) {
            tags_ = cached_tags_->span();
            return done();
        } else if (!is_read_in_parts()) {
            whole_ = Buffer(layout_.total_length());
            RF_CHECK(read_stored(0, whole_.span()));
            sealed_ = whole_.span();
        } else {
            Buffer table(layout_.tags_length());
            RF_CHECK(read_stored(layout_.tags_offset(), table.span()));
            auto shared = std::make_shared<const Buffer>(std::move(table));
            // Cached before it is authenticated: a wrong tag only makes its block fail to open.
            reader_.cache_.insert({extent_.shape.extent, kTagTable}, shared);
            cached_tags_ = shared;
            tags_ = shared->span();
            return done();
        }
        tags_ = sealed_.subspan(layout_.tags_offset(), layout_.tags_length());
        return done();
    }

    Bytes tag(BlockIndex block) const {
        return tags_.subspan(block.value() * crypto::kTagBytes, crypto::kTagBytes);
    }

    Result<void> read_in_place(BlockIndex first, std::uint32_t count, MutableBytes out) {
        RF_CHECK(load_opener());
        RF_CHECK(load_tags());
        const std::size_t block_bytes = layout_.block_bytes();
        MutableBytes target = out.subspan(layout_.plain_start(first) - start_, count * block_bytes);
        RF_CHECK(read_stored(layout_.sealed_start(first), target));
        for (std::uint32_t i = 0; i < count; ++i) {
            const BlockIndex block(first.value() + i);
            MutableBytes bytes = target.subspan(i * block_bytes, block_bytes);
            RF_CHECK(opener_->opener.open_block(block, tag(block), bytes, bytes));
        }
        return done();
    }

    /// Opens a block, padding included. `once`: it is not kept, nor need the page cache have it.
    Result<void> open_into(BlockIndex block, MutableBytes plain, bool once = false) {
        RF_CHECK(load_opener());
        RF_CHECK(load_tags());
        if (!sealed_.empty())
            return opener_->opener.open_block(
                block, tag(block), sealed_.subspan(layout_.sealed_start(block), plain.size()),
                plain);
        RF_CHECK(read_stored(layout_.sealed_start(block), plain, once));
        return opener_->opener.open_block(block, tag(block), plain, plain);
    }

    /// And leaves it in the cache.
    Result<BlockCache::Block> open(BlockIndex block) {
        Buffer plain(layout_.sealed_length(block));
        RF_CHECK(open_into(block, plain.span()));
        auto opened = std::make_shared<const Buffer>(std::move(plain));
        reader_.cache_.insert({extent_.shape.extent, block}, opened);
        return opened;
    }

    ExtentReader& reader_;
    const PlacedExtent& extent_;
    const ExtentLayout layout_;
    const std::uint64_t start_;
    const std::size_t length_;
    std::unique_ptr<OpenerCache::Item> opener_;
    BlockCache::Block cached_tags_;
    std::vector<std::byte> inline_;
    Buffer whole_;
    Bytes sealed_;  // the whole extent, when it was read whole
    Bytes tags_;
};

ExtentReader::ExtentReader(store::ExtentStore& store, InlineSource& inlines, KeySource& keys,
                           BlockCache& cache)
    : store_(store),
      inlines_(inlines),
      keys_(keys),
      cache_(cache),
      openers_(std::make_unique<OpenerCache>()) {}

ExtentReader::~ExtentReader() = default;

void ExtentReader::forget_keys() {
    openers_->forget();
}

bool RecentMisses::note(const BlockKey& key) {
    const std::uint64_t hash =
        (key.extent.value() * 0x9E3779B97F4A7C15ull) ^ (key.block.value() * 0xC2B2AE3D27D4EB4Full);
    auto& mark = marks_[(hash >> 40) % marks_.size()];
    return mark.exchange(hash | 1, std::memory_order_relaxed) == (hash | 1);
}

Result<void> ExtentReader::read(const PlacedExtent& extent, std::uint64_t start, MutableBytes out,
                                Caching caching) {
    if (out.empty()) return done();
    return counted(Session(*this, extent, start, out.size()).read(out, caching));
}

Result<void> ExtentReader::pin(const PlacedExtent& extent, std::uint64_t start, std::size_t length,
                               Pins& pins) {
    if (length == 0) return done();
    return counted(Session(*this, extent, start, length).pin(pins));
}

Result<void> ExtentReader::counted(Result<void> outcome) {
    if (!outcome && outcome.error().code() == Errc::kCorrupt) ++damaged_;
    return outcome;
}

bool ExtentReader::pin_cached(const PlacedExtent& extent, std::uint64_t start, std::size_t length,
                              Pins& pins) {
    if (length == 0) return true;
    Session session(*this, extent, start, length);
    return session.check().ok() && session.pin_cached(pins);
}

}  // namespace reelfs::content
