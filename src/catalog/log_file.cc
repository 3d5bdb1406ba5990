// Sealed log frames, see log_file.h.
#include "catalog/log_file.h"

#include <fmt/format.h>

#include <algorithm>

namespace reelfs::catalog {

namespace {

Error unexpected(std::uint64_t offset, std::size_t length) {
    return Error(Errc::kIo,
                 fmt::format("catalog log: unexpected write of {} bytes at {}", length, offset));
}

}  // namespace

LogFile::LogFile(std::shared_ptr<File> file, std::uint64_t physical_size, const LogScan& found,
                 crypto::PageSealer& sealer, Failure& failure, Durability& durability)
    : file_(std::move(file)),
      sealer_(sealer),
      failure_(failure),
      durability_(durability),
      physical_size_(physical_size),
      has_header_(found.has_header),
      header_(found.header),
      salts_(found.salts),
      frames_(found.committed_frames),
      commit_frame_(found.committed_frames),
      settled_frames_(found.committed_frames),
      gather_(kGatheredFramesMax * kFrameBytes) {}

Result<std::size_t> LogFile::read(std::uint64_t offset, MutableBytes out) {
    if (offset < kLogHeaderBytes) return read_header(offset, out);
    RF_CHECK(flush());
    const FramePlace place = place_of(offset);
    if (place.frame > frames_) return std::size_t{0};
    if (place.within + out.size() > kFrameBytes)
        return Error(Errc::kIo, fmt::format("catalog log: unexpected read of {} bytes at {}",
                                            out.size(), offset));
    RF_CHECK(read_frame(place.frame, plain_));
    // What lies beyond the plain bytes are the page's reserved bytes: zeros.
    const std::size_t kept = place.within >= kFramePlainBytes
                                 ? 0
                                 : std::min(out.size(), kFramePlainBytes - place.within);
    std::copy_n(plain_.data() + place.within, kept, out.data());
    std::fill(out.begin() + static_cast<std::ptrdiff_t>(kept), out.end(), std::byte{});
    return out.size();
}

Result<std::size_t> LogFile::read_header(std::uint64_t offset, MutableBytes out) {
    if (!has_header_) return std::size_t{0};
    const std::size_t n = std::min<std::size_t>(out.size(), kLogHeaderBytes - offset);
    std::copy_n(header_.data() + offset, n, out.data());
    return n;
}

Result<void> LogFile::read_frame(std::uint64_t frame, FramePlain& plain) {
    std::array<std::byte, kFrameBytes> sealed;
    RF_TRY(std::size_t n, file_->read_at(physical_of(frame), sealed));
    const bool authentic =
        n == kFrameBytes && sealer_.open({crypto::PageKind::kLogFrame, frame}, sealed, plain);
    const FrameHeader header = parse_frame_header(plain);
    const bool ours = header.salts == salts_ || (header.unfinished() && frame > settled_frames_);
    if (!authentic || !ours)
        return Error(Errc::kCorrupt, fmt::format("frame {} of the catalog log is damaged", frame));
    return done();
}

Result<void> LogFile::write(std::uint64_t offset, Bytes bytes) {
    if (failure_.failed()) return failure_.error();
    if (offset == 0 && bytes.size() == kLogHeaderBytes) return write_header(bytes);
    if (offset < kLogHeaderBytes || !has_header_) return unexpected(offset, bytes.size());
    const FramePlace place = place_of(offset);
    if (place.within == 0 && bytes.size() == kFrameHeaderBytes)
        return write_frame_header(place.frame, bytes);
    if (place.within == kFrameHeaderBytes && bytes.size() == kPageBytes &&
        all_zero(bytes.last(kReservedBytes)))
        return write_page(place.frame, bytes);
    return unexpected(offset, bytes.size());
}

// A restart: everything before is in the database, durably. SQLite syncs before the first frame.
Result<void> LogFile::write_header(Bytes header) {
    LogHeader parsed;
    if (!parse_log_header(header, parsed)) return unexpected(0, header.size());
    RF_CHECK(grow(kLogHeaderBlockBytes));
    std::array<std::byte, kLogHeaderBlockBytes> block{};
    MutableBytes first = MutableBytes(block).first(kSealedLogHeaderBytes);
    sealer_.seal({crypto::PageKind::kLogFrame, kLogHeaderIndex}, 0, header, first);
    std::copy(first.begin(), first.end(), block.begin() + kLogHeaderCopyOffset);
    RF_CHECK(write_at(0, block));
    durability_.note_restart();
    has_header_ = true;
    std::copy(header.begin(), header.end(), header_.begin());
    salts_ = parsed.salts;
    frames_ = 0;
    commit_frame_ = 0;
    settled_frames_ = 0;
    gathered_ = 0;
    frame_header_.reset();
    return done();
}

Result<void> LogFile::write_frame_header(std::uint64_t frame, Bytes header) {
    if (frame <= frames_) return rewrite(frame, 0, header);
    if (frame != frames_ + 1) return unexpected(physical_of(frame), header.size());
    frame_header_.emplace();
    std::copy(header.begin(), header.end(), frame_header_->begin());
    return done();
}

Result<void> LogFile::write_page(std::uint64_t frame, Bytes page) {
    if (frame <= frames_) return rewrite(frame, kFrameHeaderBytes, page.first(kPagePlainBytes));
    if (frame != frames_ + 1 || !frame_header_)
        return unexpected(physical_of(frame) + kFrameHeaderBytes, page.size());
    if (gathered_ == kGatheredFramesMax) RF_CHECK(flush());
    RF_CHECK(grow(physical_of(frame + 1)));
    std::copy(frame_header_->begin(), frame_header_->end(), plain_.begin());
    std::copy_n(page.data(), kPagePlainBytes, plain_.data() + kFrameHeaderBytes);
    sealer_.seal({crypto::PageKind::kLogFrame, frame}, durability_.durable_frames(), plain_,
                 gather_.span().subspan(gathered_ * kFrameBytes, kFrameBytes));
    frame_header_.reset();
    ++gathered_;
    frames_ = frame;
    if (!parse_frame_header(plain_).commits()) return done();
    RF_CHECK(flush());
    commit_frame_ = static_cast<std::uint32_t>(frame);
    return done();
}

Result<void> LogFile::rewrite(std::uint64_t frame, std::size_t at, Bytes part) {
    RF_CHECK(flush());
    RF_CHECK(read_frame(frame, plain_));
    std::copy(part.begin(), part.end(), plain_.begin() + static_cast<std::ptrdiff_t>(at));
    std::array<std::byte, kFrameBytes> sealed;
    sealer_.seal({crypto::PageKind::kLogFrame, frame}, durability_.durable_frames(), plain_,
                 sealed);
    RF_CHECK(write_at(physical_of(frame), sealed));
    if (parse_frame_header(plain_).commits()) commit_frame_ = static_cast<std::uint32_t>(frame);
    return done();
}

Result<void> LogFile::grow(std::uint64_t end) {
    if (end <= physical_size_) return done();
    std::uint64_t target = (end + kLogStepBytes - 1) / kLogStepBytes * kLogStepBytes;
    Result<void> grown = file_->allocate(physical_size_, target - physical_size_);
    if (!grown && grown.error().code() == Errc::kNoSpace) {
        // A volume that is nearly full may have room for what is needed now: deletes must go on.
        target = end;
        grown = file_->allocate(physical_size_, target - physical_size_);
    }
    if (grown) {
        physical_size_ = target;
        return done();
    }
    // Not every file system can reserve room; then ENOSPC shows at the write.
    if (grown.error().code() == Errc::kUnsupported) return done();
    if (grown.error().code() != Errc::kNoSpace && grown.error().code() != Errc::kQuota)
        failure_.set(grown.error());
    return grown;
}

Result<void> LogFile::flush() {
    if (gathered_ == 0) return done();
    const std::uint64_t first = frames_ - gathered_ + 1;
    Result<void> written =
        write_at(physical_of(first), gather_.span().first(gathered_ * kFrameBytes));
    gathered_ = 0;
    if (!written) frames_ = first - 1;
    return written;
}

Result<void> LogFile::write_at(std::uint64_t physical, Bytes bytes) {
    Result<void> written = file_->write_at(physical, bytes);
    if (!written && written.error().code() != Errc::kNoSpace &&
        written.error().code() != Errc::kQuota)
        failure_.set(written.error());
    return written;
}

Result<void> LogFile::truncate(std::uint64_t size) {
    if (failure_.failed()) return failure_.error();
    if (size != 0) return unexpected(size, 0);
    Result<void> cut = file_->truncate(0);
    if (!cut) {
        failure_.set(cut.error());
        return cut;
    }
    durability_.note_restart();
    has_header_ = false;
    physical_size_ = 0;
    frames_ = 0;
    commit_frame_ = 0;
    settled_frames_ = 0;
    gathered_ = 0;
    return done();
}

void LogFile::abandon() {
    frames_ = settled_frames_;
    commit_frame_ = settled_frames_;
    gathered_ = 0;
    frame_header_.reset();
}

Result<void> LogFile::sync() {
    RF_CHECK(flush());
    return durability_.sync_now();
}

}  // namespace reelfs::catalog
