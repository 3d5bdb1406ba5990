// Debian's libfuse 3.14 never sends three INIT flags that reelfs needs. This adds them to its reply
// on the way to the kernel, each only when the kernel offered it in its request.
//
//   PARALLEL_DIROPS       without it the kernel serialises all lookups in one directory
//   HANDLE_KILLPRIV_V2    without it each write(2) first asks for security.capability
//   DIRECT_IO_ALLOW_MMAP  without it a shared mapping of a direct_io file is ENODEV
//
// The device speaks whole messages, so one read is one request and one writev one reply:
//
//   request  offset 0 in-header (40 bytes): u32 length, u32 opcode (26 = INIT), u64 unique, ...
//            40: u32 major, u32 minor, u32 max_readahead, u32 flags, u32 flags2 (INIT_EXT)
//   reply    offset 0 out-header (16 bytes): u32 length, i32 error, u64 unique
//            16: u32 major, u32 minor, u32 max_readahead, u32 flags at 28, ..., u32 flags2 at 48
//
// Example: the request offers flags 0x73fffffb and flags2 0x10; the reply of libfuse 3.14 carries
// flags 0x40409029, flags2 0 and leaves as flags 0x50449029, flags2 0x10.
#pragma once

#include <sys/uio.h>

#include <atomic>
#include <cstdint>
#include <optional>

#include "reelfs/base/bytes.h"

namespace reelfs::fuse {

namespace init_flags {
inline constexpr std::uint64_t kParallelDirops = std::uint64_t{1} << 18;
inline constexpr std::uint64_t kHandleKillprivV2 = std::uint64_t{1} << 28;
inline constexpr std::uint64_t kInitExt = std::uint64_t{1} << 30;
inline constexpr std::uint64_t kDirectIoAllowMmap = std::uint64_t{1} << 36;
inline constexpr std::uint64_t kWanted = kParallelDirops | kHandleKillprivV2 | kDirectIoAllowMmap;
}  // namespace init_flags

struct InitOffer {
    std::uint64_t unique = 0;  // which request the reply must answer
    std::uint64_t flags = 0;   // flags2 << 32 | flags
};

/// The kernel's offer, when `request` is a whole INIT request.
std::optional<InitOffer> parse_init_request(Bytes request);

/// Adds the wanted flags that were offered to the body of an INIT reply (what follows its header).
/// The flags set afterwards; 0 when the body is too short to have any.
std::uint64_t patch_init_reply(const InitOffer& offer, MutableBytes body);

/// The two ends that libfuse reads from and writes to, watching for INIT once. INIT is exchanged
/// before there is more than one thread; afterwards both calls are one relaxed load.
class InitPatch {
  public:
    void saw_request(Bytes request);
    /// `pieces` as given to writev: a header, then the body.
    void before_reply(const iovec* pieces, int count);
    /// Flags agreed on; 0 before INIT.
    std::uint64_t agreed() const { return agreed_.load(std::memory_order_relaxed); }

  private:
    std::atomic<bool> done_{false};
    std::atomic<std::uint64_t> agreed_{0};
    std::optional<InitOffer> offer_;
};

}  // namespace reelfs::fuse
