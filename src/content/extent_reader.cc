#include "reelfs/content/extent_reader.h"

#include <algorithm>
#include <optional>

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

/// One read of one extent.
class ExtentReader::Session {
  public:
    Session(ExtentReader& reader, const PlacedExtent& extent, std::uint64_t start, MutableBytes out)
        : reader_(reader), extent_(extent), layout_(extent.shape), start_(start), out_(out) {}

    bool from_cache(BlockIndex block) {
        auto cached = reader_.cache_.find({extent_.shape.extent, block});
        if (!cached) return false;
        copy_out(block, cached->span());
        return true;
    }

    Result<void> run(Caching caching) {
        if (start_ + out_.size() > extent_.shape.plain_bytes)
            return Error(Errc::kCorrupt, "a slice reaches beyond its extent");
        const BlockIndex first = layout_.block_of(start_),
                         last = layout_.block_of(start_ + out_.size() - 1);
        const std::size_t count = last.value() - first.value() + 1;
        const bool bypass =
            caching == Caching::kBypass && count >= kBypassFrom && extent_.location.pack;
        for (std::uint32_t i = first.value(); i <= last.value();) {
            if (!bypass || i == first.value() || i == last.value()) {
                if (from_cache(BlockIndex(i))) {
                    ++i;
                    continue;
                }
            }
            std::uint32_t stop = i + 1;  // a run of blocks to read at once
            if (bypass && whole(BlockIndex(i))) {
                while (stop <= last.value() && whole(BlockIndex(stop))) ++stop;
                RF_CHECK(read_in_place(BlockIndex(i), stop - i));
            } else {
                while (stop <= last.value() && !(bypass && whole(BlockIndex(stop))) &&
                       !reader_.cache_.find({extent_.shape.extent, BlockIndex(stop)}))
                    ++stop;
                RF_CHECK(read_through_cache(BlockIndex(i), stop - i));
            }
            i = stop;
        }
        return done();
    }

  private:
    /// A block that lies in the output entirely and needs no padding: it may be opened where it is
    /// wanted.
    bool whole(BlockIndex block) const {
        const std::uint64_t from = layout_.plain_start(block);
        return from >= start_ && from + layout_.block_bytes() <= start_ + out_.size() &&
               layout_.plain_length(block) == layout_.block_bytes();
    }

    void copy_out(BlockIndex block, Bytes plain) {
        const Part part = part_of(layout_, block, start_, out_.size());
        std::memcpy(out_.data() + part.in_out, plain.data() + part.in_block, part.length);
    }

    Result<void> load_opener() {
        if (opener_) return done();
        RF_TRY(auto key, reader_.keys_.container_key(extent_.shape.container, extent_.shape.key));
        opener_.emplace(*key, extent_.shape);
        return done();
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
        } else if (layout_.total_length() <= kWholeReadMax) {
            whole_ = Buffer(layout_.total_length());
            RF_CHECK(reader_.store_.read(extent_.location, 0, whole_.span()));
            sealed_ = whole_.span();
        } else {
            Buffer table(layout_.tags_length());
            RF_CHECK(reader_.store_.read(extent_.location, layout_.tags_offset(), table.span()));
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

    Result<void> read_in_place(BlockIndex first, std::uint32_t count) {
        RF_CHECK(load_opener());
        RF_CHECK(load_tags());
        const std::size_t block_bytes = layout_.block_bytes();
        MutableBytes target =
            out_.subspan(layout_.plain_start(first) - start_, count * block_bytes);
        RF_CHECK(reader_.store_.read(extent_.location, layout_.sealed_start(first), target));
        for (std::uint32_t i = 0; i < count; ++i) {
            const BlockIndex block(first.value() + i);
            MutableBytes bytes = target.subspan(i * block_bytes, block_bytes);
            RF_CHECK(opener_->open_block(block, tag(block), bytes, bytes));
        }
        return done();
    }

    Result<void> read_through_cache(BlockIndex first, std::uint32_t count) {
        RF_CHECK(load_opener());
        RF_CHECK(load_tags());
        const BlockIndex last(first.value() + count - 1);
        const std::uint64_t from = layout_.sealed_start(first),
                            to = layout_.sealed_start(last) + layout_.sealed_length(last);
        Buffer fetched;
        Bytes run;
        if (!sealed_.empty()) {
            run = sealed_.subspan(from, to - from);
        } else {
            fetched = Buffer(to - from);
            RF_CHECK(reader_.store_.read(extent_.location, from, fetched.span()));
            run = fetched.span();
        }
        for (std::uint32_t i = 0; i < count; ++i) {
            const BlockIndex block(first.value() + i);
            Buffer plain(layout_.sealed_length(block));
            RF_CHECK(opener_->open_block(
                block, tag(block), run.subspan(layout_.sealed_start(block) - from, plain.size()),
                plain.span()));
            copy_out(block, plain.span());
            reader_.cache_.insert({extent_.shape.extent, block},
                                  std::make_shared<const Buffer>(std::move(plain)));
        }
        return done();
    }

    ExtentReader& reader_;
    const PlacedExtent& extent_;
    const ExtentLayout layout_;
    const std::uint64_t start_;
    const MutableBytes out_;
    std::optional<ExtentOpener> opener_;
    BlockCache::Block cached_tags_;
    std::vector<std::byte> inline_;
    Buffer whole_;
    Bytes sealed_;  // the whole extent, when it was read whole
    Bytes tags_;
};

Result<void> ExtentReader::read(const PlacedExtent& extent, std::uint64_t start, MutableBytes out,
                                Caching caching) {
    if (out.empty()) return done();
    return Session(*this, extent, start, out).run(caching);
}

bool ExtentReader::read_cached(const PlacedExtent& extent, std::uint64_t start, MutableBytes out) {
    if (out.empty()) return true;
    const ExtentLayout layout(extent.shape);
    if (start + out.size() > extent.shape.plain_bytes) return false;
    Session session(*this, extent, start, out);
    for (std::uint32_t i = layout.block_of(start).value();
         i <= layout.block_of(start + out.size() - 1).value(); ++i)
        if (!session.from_cache(BlockIndex(i))) return false;
    return true;
}

}  // namespace reelfs::content
