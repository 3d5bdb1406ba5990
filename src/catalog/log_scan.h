// What the log holds, found out before SQLite sees it. SQLite replays a log up to the first frame
// that does not fit and drops the rest without a word; that is right after a power cut and wrong
// after damage. The marks tell the two apart.
//
//     slots   1    2    3    4    5    6    7
//             ok   ok   bad  ok   ok   old  zero
//                  ^commit   ^mark 2
//
// The prefix that SQLite accepts ends before the first slot p (here 3) that is not authentic, of
// another generation, or does not continue the checksum. A frame carries the number of frames that
// were committed and durable when it was sealed. Committed frames are never rewritten within a
// generation, so a frame of this generation anywhere with a mark >= p proves that p was whole on
// disk once: durable commits are damaged, and opening is refused. Otherwise p may be a write that a
// power cut tore or reordered: the log is cut behind the last commit before p, and the store opens.
// Either way the log is copied aside first.
//
// The header stands twice (log_layout.h). It is synced before the first frame of a generation is
// written, so frames of a newer generation than the header's mean that the header is an old one.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "catalog/log_layout.h"
#include "reelfs/base/disk.h"
#include "reelfs/crypto/page_seal.h"

namespace reelfs::catalog {

struct LogScan {
    enum class Verdict {
        kFine,     // nothing to say
        kTorn,     // `report`; cut it to the committed frames
        kDamaged,  // `report`; do not open
    };
    Verdict verdict = Verdict::kFine;
    std::string report;
    bool has_header = false;
    /// No commit since the log was restarted or made. SQLite does not read the header of a log
    /// without frames: it will draw a new random generation, so no older frame (all of them are in
    /// the database) may stay, which might look newer.
    bool unused = false;
    std::array<std::byte, kLogHeaderBytes> header{};
    Salts salts{};
    std::uint32_t committed_frames = 0;  // what SQLite will accept
};

/// Reads the whole file; kIo when the device fails.
Result<LogScan> scan_log(const File& file, std::uint64_t size, crypto::PageSealer& sealer);

}  // namespace reelfs::catalog
