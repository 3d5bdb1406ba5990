// SQLite's write-ahead log as SQLite sees it, over a file of sealed frames (layout: log_layout.h).
//
// SQLite writes a frame's header and its page in two calls; they are gathered, sealed as one unit,
// and written together with the other frames of the transaction when its commit frame is complete,
// so a transaction is one write. A frame written again (after a spilled transaction: a page alone,
// or the header alone when SQLite recomputes its checksums) is opened, changed, and sealed anew at
// once.
//
// The file grows by kLogStepBytes before it is needed, so ENOSPC shows here before anything of the
// frame is written, and never shrinks while frames are written: a restarted log overwrites. Frames
// of an earlier generation (other salts) are not readable through this class.
//
// Used under the connection's lock.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "catalog/durability.h"
#include "catalog/log_layout.h"
#include "catalog/log_scan.h"
#include "reelfs/base/disk.h"
#include "reelfs/crypto/page_seal.h"

namespace reelfs::catalog {

inline constexpr std::uint64_t kLogStepBytes = 4u << 20;
/// Frames gathered before they are written although no commit frame came.
inline constexpr std::size_t kGatheredFramesMax = 64;

class LogFile {
  public:
    /// `found`: what a scan of this file said, so that exactly its committed frames are visible.
    LogFile(std::shared_ptr<File> file, std::uint64_t physical_size, const LogScan& found,
            crypto::PageSealer& sealer, Failure& failure, Durability& durability);

    Result<std::size_t> read(std::uint64_t offset, MutableBytes out);
    Result<void> write(std::uint64_t offset, Bytes bytes);
    /// Only to nothing: when the store is closed.
    Result<void> truncate(std::uint64_t size);
    Result<void> sync();
    std::uint64_t size() const { return has_header_ ? logical_size(frames_) : 0; }

    /// The last commit frame written in this generation, 0 when none.
    std::uint32_t commit_frame() const { return commit_frame_; }
    /// COMMIT returned: no frame up to the commit frame is unfinished, or will be written again.
    void settle() { settled_frames_ = commit_frame_; }
    /// The transaction was rolled back: what it wrote behind the settled frames is void, and may be
    /// torn.
    void abandon();

  private:
    using FramePlain = std::array<std::byte, kFramePlainBytes>;

    Result<std::size_t> read_header(std::uint64_t offset, MutableBytes out);
    Result<void> read_frame(std::uint64_t frame, FramePlain& plain);
    Result<void> write_header(Bytes header);
    Result<void> write_frame_header(std::uint64_t frame, Bytes header);
    Result<void> write_page(std::uint64_t frame, Bytes page);
    Result<void> rewrite(std::uint64_t frame, std::size_t at, Bytes part);
    Result<void> grow(std::uint64_t end);
    Result<void> flush();
    Result<void> write_at(std::uint64_t physical, Bytes bytes);

    const std::shared_ptr<File> file_;
    crypto::PageSealer& sealer_;
    Failure& failure_;
    Durability& durability_;
    std::uint64_t physical_size_;

    bool has_header_;
    std::array<std::byte, kLogHeaderBytes> header_{};
    Salts salts_{};
    std::uint64_t frames_;  // written or gathered in this generation
    std::uint32_t commit_frame_;
    std::uint32_t settled_frames_;

    std::optional<std::array<std::byte, kFrameHeaderBytes>> frame_header_;  // of frames_ + 1
    std::size_t gathered_ = 0;  // the last so many of frames_ are sealed in gather_ only
    Buffer gather_;
    FramePlain plain_{};
};

}  // namespace reelfs::catalog
