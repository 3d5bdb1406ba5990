#include "core/verify.h"

#include <fmt/format.h>

#include <algorithm>

#include "reelfs/content/extent_codec.h"

namespace reelfs::core {

namespace {

Result<void> fetch(Context& context, const PlacedExtent& extent, Buffer& sealed) {
    if (extent.location.pack) return context.store.read_device(extent.location, 0, sealed.span());
    std::vector<std::byte> bytes;
    RF_CHECK(context.catalog.read([&](catalog::Reader& r) -> Result<void> {
        RF_TRY(bytes, r.inline_bytes(extent.shape.extent));
        return done();
    }));
    if (bytes.size() != sealed.size()) return Error(Errc::kCorrupt, "its bytes are not all there");
    std::copy(bytes.begin(), bytes.end(), sealed.data());
    return done();
}

std::string check_header(const PlacedExtent& extent, Bytes sealed) {
    auto header = content::decode_header(sealed);
    if (!header) return header.error().message();
    ExtentShape expected = extent.shape;
    expected.plain_bytes = 0;
    return header->shape == expected ? "" : "another extent stands in its place";
}

}  // namespace

bool row_makes_sense(const PlacedExtent& extent) {
    const ExtentShape& shape = extent.shape;
    if (shape.plain_bytes == 0 || shape.plain_bytes > limits::extent_bytes_max ||
        shape.block_shift < limits::block_shift_min || shape.block_shift > limits::block_shift_max)
        return false;
    const std::uint64_t length = content::ExtentLayout(shape).total_length();
    // In a pack the padding up to the next extent belongs to it.
    return length == extent.location.length ||
           (extent.location.pack && length < extent.location.length &&
            extent.location.length - length < limits::pack_alignment);
}

Result<Verdict> verify(Context& context, const PlacedExtent& extent) {
    const ExtentShape& shape = extent.shape;
    const content::ExtentLayout layout(shape);
    if (!row_makes_sense(extent))
        return Error(Errc::kCorrupt,
                     fmt::format("extent {}: its row contradicts itself", shape.extent.value()));
    RF_TRY(const auto key, context.keys.container_key(shape.container, shape.key));
    Verdict verdict;
    const std::uint32_t count = layout.block_count();
    Buffer sealed(layout.total_length());
    if (auto fetched = fetch(context, extent, sealed); !fetched) {
        // A part of it may be readable still.
        verdict.read_error = fetched.error().message();
        std::fill_n(sealed.data(), sealed.size(), std::byte{});
        if (extent.location.pack) {
            constexpr std::size_t kPiece = limits::pack_alignment;
            for (std::size_t at = 0; at < sealed.size(); at += kPiece) {
                const std::size_t part = std::min(kPiece, sealed.size() - at);
                if (!context.store.read_device(extent.location, at,
                                               sealed.span().subspan(at, part)))
                    std::fill_n(sealed.data() + at, part, std::byte{});
            }
        }
    }
    verdict.header = check_header(extent, sealed.span());
    content::ExtentOpener opener(*key, shape);
    Buffer scratch(layout.block_bytes());
    for (std::uint32_t i = 0; i < count; ++i) {
        const BlockIndex block(i);
        const std::uint32_t length = layout.sealed_length(block);
        if (opener.open_block(block,
                              sealed.span().subspan(layout.tags_offset() + i * crypto::kTagBytes,
                                                    crypto::kTagBytes),
                              sealed.span().subspan(layout.sealed_start(block), length),
                              scratch.span().first(length)))
            continue;
        if (!verdict.blocks.empty() &&
            verdict.blocks.back().first + verdict.blocks.back().count == i)
            ++verdict.blocks.back().count;
        else
            verdict.blocks.push_back({i, 1});
    }
    return verdict;
}

Result<std::string> read_around(store::ExtentStore& store, const Location& location,
                                MutableBytes out) {
    auto whole = store.read(location, 0, out);
    if (whole) return std::string();
    if (whole.error().code() != Errc::kIo) return std::move(whole).error();
    constexpr std::size_t kPiece = limits::pack_alignment;
    for (std::size_t at = 0; at < out.size(); at += kPiece) {
        const MutableBytes piece = out.subspan(at, std::min(kPiece, out.size() - at));
        if (auto read = store.read(location, at, piece); !read) {
            if (read.error().code() != Errc::kIo) return std::move(read).error();
            std::fill(piece.begin(), piece.end(), kUnread);
        }
    }
    return whole.error().message();
}

std::vector<FreedRange> held_ranges(const PlacedExtent& extent, std::span<const RefRun> refs) {
    const content::ExtentLayout layout(extent.shape);
    const std::uint64_t begin = extent.location.offset;
    std::vector<FreedRange> ranges;
    const auto add = [&](std::uint64_t from, std::uint64_t to) {
        if (!ranges.empty() && ranges.back().offset + ranges.back().length == begin + from)
            ranges.back().length += to - from;
        else
            ranges.push_back({*extent.location.pack, begin + from, to - from});
    };
    add(0, layout.body_offset());
    for (const RefRun& run : refs)
        add(layout.sealed_start(run.first), run.end() == layout.block_count()
                                                ? extent.location.length
                                                : layout.sealed_start(BlockIndex(run.end())));
    return ranges;
}

std::vector<Slice> held_part(const PlacedExtent& extent, const std::vector<BlockRun>& blocks,
                             const std::vector<Slice>& slices) {
    std::vector<Slice> held;
    for (const Slice& slice : slices) {
        if (slice.extent != extent.shape.extent) continue;
        for (const BlockRun& run : blocks) {
            const std::uint64_t from = std::uint64_t{run.first} << extent.shape.block_shift;
            const std::uint64_t to = std::uint64_t{run.first + run.count}
                                     << extent.shape.block_shift;
            const std::uint64_t begin = std::max(from, slice.start);
            const std::uint64_t end = std::min(to, slice.start + slice.length);
            if (begin >= end) continue;
            held.push_back({.file_offset = slice.file_offset + (begin - slice.start),
                            .length = end - begin,
                            .extent = slice.extent,
                            .start = begin});
        }
    }
    return held;
}

}  // namespace reelfs::core
