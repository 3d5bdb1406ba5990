// A header does not say how long its last block is, so every length it may have is tried: the sum
// over the stored bytes is carried on 256 bytes at a time, until it is the one in the header.
//
//     extent | extent | zeros (given back) | rest of a freed extent | extent
//
// What follows a whole extent must be an extent or zeros. Behind zeros anything may stand up to the
// next header: the edges of what was given back are not.
#include "reelfs/core/keyless.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <cstring>
#include <memory>

#include "core/verify.h"
#include "reelfs/base/overlay_disk.h"
#include "reelfs/content/extent_codec.h"
#include "reelfs/model/check_limits.h"
#include "reelfs/model/limits.h"
#include "reelfs/store/pack_store.h"

namespace reelfs::core {

namespace {

constexpr std::size_t kPage = limits::pack_alignment;

/// The length whose checksum fits; nothing when none does. `sealed` begins with the header and ends
/// where the longest extent of this shape, or the pack, does.
std::optional<std::uint64_t> fitting_length(const content::ExtentHeader& header, Bytes sealed) {
    std::unique_ptr<XXH3_state_t, XXH_errorcode (*)(XXH3_state_t*)> state(XXH3_createState(),
                                                                          &XXH3_freeState);
    XXH3_64bits_reset(state.get());
    const unsigned shift = header.shape.block_shift;
    const std::uint32_t before = (header.block_count - 1) << shift;
    std::uint64_t summed = content::kHeaderBytes;
    for (std::uint32_t last = content::kTailAlignment; last <= std::uint32_t{1} << shift;
         last += content::kTailAlignment) {
        const std::uint64_t total = content::ExtentLayout(before + last, shift).total_length();
        if (total > sealed.size()) return std::nullopt;
        XXH3_64bits_update(state.get(), sealed.data() + summed, total - summed);
        summed = total;
        if (XXH3_64bits_digest(state.get()) == header.body_checksum) return total;
    }
    return std::nullopt;
}

class KeylessScrub {
  public:
    KeylessScrub(store::ExtentStore& store, Job& job) : store_(store), job_(job) {}

    Result<KeylessReport> run() {
        RF_TRY(const auto packs, store_.list());
        std::uint64_t total = 0;
        for (const auto& pack : packs) total += pack.bytes;
        job_.begin("verifying checksums", total);
        for (const auto& pack : packs) {
            ++report_.packs;
            // Read page by page, with the system's read-ahead: but from the disk.
            RF_CHECK(store_.settle(pack.pack));
            bool expected = true;
            for (std::uint64_t at = 0; at < pack.bytes;) {
                RF_TRY(const std::uint64_t next, look_at(pack, at, expected));
                RF_CHECK(job_.advance(std::min(next, pack.bytes) - at));
                at = next;
            }
        }
        return std::move(report_);
    }

  private:
    Result<std::uint64_t> look_at(const store::PackInfo& pack, std::uint64_t at, bool& expected) {
        const bool must_be_one = std::exchange(expected, false);
        const std::uint64_t next = at + kPage;
        std::array<std::byte, kPage> page;
        const auto there =
            static_cast<std::size_t>(std::min<std::uint64_t>(kPage, pack.bytes - at));
        const MutableBytes first = MutableBytes(page).first(there);
        RF_TRY(const std::string unread, read_around(store_, {pack.pack, at, there}, first));
        if (!unread.empty()) {
            damage(fmt::format("pack {} at {}: {}", pack.pack.hex(), at, unread));
            return next;
        }
        if (all_zero(first)) return next;
        const auto header = content::decode_header(first);
        if (!header && header.error().code() == Errc::kNewerFormat) return header.error();
        if (!header) {
            if (must_be_one)
                damage(fmt::format("pack {} at {}: the header of an extent is damaged",
                                   pack.pack.hex(), at));
            return next;
        }
        const std::uint64_t longest =
            content::ExtentLayout(header->block_count << header->shape.block_shift,
                                  header->shape.block_shift)
                .total_length();
        Buffer sealed(static_cast<std::size_t>(std::min(longest, pack.bytes - at)));
        RF_TRY(const std::string why,
               read_around(store_, {pack.pack, at, sealed.size()}, sealed.span()));
        if (const auto length = fitting_length(*header, sealed.span())) {
            ++report_.extents;
            report_.bytes += *length;
            expected = true;
            return at + (*length + kPage - 1) / kPage * kPage;
        }
        // Sealed bytes are never a page of zeros.
        for (std::size_t page_at = kPage; page_at + kPage <= sealed.size(); page_at += kPage)
            if (all_zero(sealed.span().subspan(page_at, kPage))) {
                ++report_.unchecked;
                return next;
            }
        // Bad sectors are told where they stand as well, since they may be of the next one.
        damage(fmt::format("pack {} at {}: extent {} of container {} does not fit its checksum{}{}",
                           pack.pack.hex(), at, header->shape.extent.value(),
                           header->shape.container.value(), why.empty() ? "" : ": ", why));
        return next;
    }

    void damage(std::string line) {
        ++report_.damaged;
        job_.found();
        if (report_.lines.size() < limits::findings_max) report_.lines.push_back(std::move(line));
    }

    store::ExtentStore& store_;
    Job& job_;
    KeylessReport report_;
};

}  // namespace

Result<KeylessReport> scrub_without_keys(const Environment& environment,
                                         const std::vector<std::string>& zones, Job& job) {
    OverlayDisk overlay(environment.disk);
    std::vector<store::ZoneDirectory> directories;
    for (const std::string& zone : zones)
        directories.push_back({ZoneId(static_cast<std::uint16_t>(directories.size())), zone});
    RF_TRY(auto store, store::open_pack_store(overlay, environment.random, std::move(directories)));
    return KeylessScrub(*store, job).run();
}

}  // namespace reelfs::core
