// One pass over the log, see log_scan.h.
#include "catalog/log_scan.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

namespace reelfs::catalog {

namespace {

constexpr std::size_t kSlotsPerRead = 32;

/// Generations count up by one and may wrap.
bool newer(std::uint32_t generation, std::uint32_t than) {
    return static_cast<std::int32_t>(generation - than) > 0;
}

struct HeaderFound {
    std::optional<LogHeader> header;
    std::array<std::byte, kLogHeaderBytes> plain{};
    bool blank = true;  // never written
};

Result<HeaderFound> read_header(const File& file, crypto::PageSealer& sealer) {
    std::array<std::byte, kLogHeaderBlockBytes> block{};
    RF_TRY([[maybe_unused]] std::size_t n, file.read_at(0, block));
    HeaderFound found;
    found.blank = all_zero(block);
    for (std::size_t copy : {std::size_t{0}, kLogHeaderCopyOffset}) {
        std::array<std::byte, kLogHeaderBytes> plain;
        const Bytes sealed = Bytes(block).subspan(copy, kSealedLogHeaderBytes);
        LogHeader header;
        if (!sealer.open({crypto::PageKind::kLogFrame, kLogHeaderIndex}, sealed, plain) ||
            !parse_log_header(plain, header))
            continue;
        if (found.header && !newer(header.generation(), found.header->generation())) continue;
        found.header = header;
        found.plain = plain;
    }
    return found;
}

/// Takes the slots in order and keeps what the verdict needs.
class Pass {
  public:
    explicit Pass(const std::optional<LogHeader>& header) : header_(header) {
        if (header) expected_ = header->checksum;
    }

    void take(std::uint64_t slot, Bytes sealed, crypto::PageSealer& sealer) {
        if (all_zero(sealed)) return end_with_gap(slot);
        std::array<std::byte, kFramePlainBytes> plain;
        std::optional<std::uint32_t> mark =
            sealer.open({crypto::PageKind::kLogFrame, slot}, sealed, plain);
        if (!mark) {
            if (first_damaged_ == 0) first_damaged_ = slot;
            return end_prefix(slot);
        }
        ++authentic_;
        const FrameHeader frame = parse_frame_header(plain);
        if (!header_ || frame.unfinished()) return end_prefix(slot);
        if (frame.salts != header_->salts) {
            if (newer(frame.generation(), header_->generation())) header_is_old_ = true;
            return end_with_gap(slot);
        }
        mark_max_ = std::max(mark_max_, *mark);
        if (prefix_end_ != 0) {
            if (gap_) behind_gap_ = true;
            return;
        }
        // A frame of a rolled-back transaction, which a later commit did not overwrite.
        if (!continues(frame, plain)) return end_prefix(slot);
        expected_ = frame.checksum;
        if (frame.commits()) committed_ = static_cast<std::uint32_t>(slot);
    }

    void conclude(LogScan& scan, bool blank_header) const;

  private:
    bool continues(const FrameHeader& frame, Bytes plain) const {
        return frame.page != 0 && frame.checksum == frame_checksum(expected_, plain);
    }
    void end_prefix(std::uint64_t slot) {
        if (prefix_end_ == 0) prefix_end_ = slot;
    }
    void end_with_gap(std::uint64_t slot) {
        if (prefix_end_ == 0) gap_ = true;
        end_prefix(slot);
    }

    const std::optional<LogHeader> header_;
    LogChecksum expected_;
    std::uint64_t prefix_end_ = 0;     // the first slot SQLite will not accept; 0: none yet
    std::uint64_t first_damaged_ = 0;  // 0: none
    std::uint64_t authentic_ = 0;
    std::uint32_t mark_max_ = 0;
    std::uint32_t committed_ = 0;
    bool gap_ = false;         // the prefix ended at a slot this generation did not reach
    bool behind_gap_ = false;  // and yet a frame of it stands behind
    bool header_is_old_ = false;
};

void Pass::conclude(LogScan& scan, bool blank_header) const {
    using Verdict = LogScan::Verdict;
    scan.committed_frames = committed_;
    if (!header_) {
        if (authentic_ > 0) {
            scan.verdict = Verdict::kDamaged;
            scan.report =
                fmt::format("its header is damaged, and {} frames stand behind it", authentic_);
        } else if (!blank_header || first_damaged_ != 0) {
            scan.verdict = Verdict::kTorn;
            scan.report = "its header and all that follows is damaged";
        }
        return;
    }
    if (header_is_old_) {
        scan.verdict = Verdict::kDamaged;
        scan.report = "its header is older than its frames";
    } else if (mark_max_ > committed_) {
        scan.verdict = Verdict::kDamaged;
        scan.report = fmt::format("{} frames were durable, and frame {} of them is damaged",
                                  mark_max_, prefix_end_);
    } else if (first_damaged_ != 0) {
        scan.verdict = Verdict::kTorn;
        scan.report = fmt::format(
            "frame {} is not whole, as after a power failure; {} frames before it are kept",
            first_damaged_, committed_);
    } else if (behind_gap_) {
        scan.verdict = Verdict::kTorn;
        scan.report = fmt::format(
            "frame {} is missing, as after a power failure; {} frames before it are kept",
            prefix_end_, committed_);
    }
}

}  // namespace

Result<LogScan> scan_log(const File& file, std::uint64_t size, crypto::PageSealer& sealer) {
    LogScan scan;
    if (size == 0) return scan;
    RF_TRY(HeaderFound found, read_header(file, sealer));
    Pass pass(found.header);
    Buffer chunk(kSlotsPerRead * kFrameBytes);
    const std::uint64_t slots = slots_in(size);
    for (std::uint64_t first = 1; first <= slots; first += kSlotsPerRead) {
        const std::uint64_t count = std::min<std::uint64_t>(kSlotsPerRead, slots - first + 1);
        MutableBytes part = chunk.span().first(count * kFrameBytes);
        RF_TRY(std::size_t n, file.read_at(physical_of(first), part));
        std::fill(part.begin() + static_cast<std::ptrdiff_t>(n), part.end(), std::byte{});
        for (std::uint64_t i = 0; i < count; ++i)
            pass.take(first + i, part.subspan(i * kFrameBytes, kFrameBytes), sealer);
    }
    if (found.header) {
        scan.has_header = true;
        scan.header = found.plain;
        scan.salts = found.header->salts;
    }
    pass.conclude(scan, found.blank);
    scan.unused = found.header && scan.committed_frames == 0;
    return scan;
}

}  // namespace reelfs::catalog
