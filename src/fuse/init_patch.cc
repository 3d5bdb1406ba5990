#include "fuse/init_patch.h"

#include <linux/fuse.h>

namespace reelfs::fuse {
namespace {

constexpr std::size_t kInHeaderBytes = 40;
constexpr std::size_t kOutHeaderBytes = 16;
constexpr std::size_t kBodyFlags = 12;
constexpr std::size_t kRequestFlags2 = 16;
constexpr std::size_t kReplyFlags2 = 32;

static_assert(sizeof(fuse_in_header) == kInHeaderBytes);
static_assert(sizeof(fuse_out_header) == kOutHeaderBytes);
static_assert(offsetof(fuse_init_in, flags) == kBodyFlags);
static_assert(offsetof(fuse_init_in, flags2) == kRequestFlags2);
static_assert(offsetof(fuse_init_out, flags) == kBodyFlags);
static_assert(offsetof(fuse_init_out, flags2) == kReplyFlags2);
static_assert(init_flags::kParallelDirops == FUSE_PARALLEL_DIROPS);
static_assert(init_flags::kHandleKillprivV2 == FUSE_HANDLE_KILLPRIV_V2);
static_assert(init_flags::kInitExt == FUSE_INIT_EXT);

}  // namespace

std::optional<InitOffer> parse_init_request(Bytes request) {
    if (request.size() < kInHeaderBytes + kRequestFlags2) return std::nullopt;
    if (load_le<std::uint32_t>(request.data() + 4) != FUSE_INIT) return std::nullopt;
    InitOffer offer;
    offer.unique = load_le<std::uint64_t>(request.data() + 8);
    Bytes body = request.subspan(kInHeaderBytes);
    offer.flags = load_le<std::uint32_t>(body.data() + kBodyFlags);
    if ((offer.flags & init_flags::kInitExt) != 0 && body.size() >= kRequestFlags2 + 4) {
        std::uint64_t high = load_le<std::uint32_t>(body.data() + kRequestFlags2);
        offer.flags |= high << 32;
    }
    return offer;
}

std::uint64_t patch_init_reply(const InitOffer& offer, MutableBytes body) {
    if (body.size() < kBodyFlags + 4) return 0;
    std::uint64_t add = offer.flags & init_flags::kWanted;
    std::uint32_t low = load_le<std::uint32_t>(body.data() + kBodyFlags);
    low |= static_cast<std::uint32_t>(add);
    store_le(body.data() + kBodyFlags, low);
    // The upper half counts only when both sides speak of it.
    if ((low & init_flags::kInitExt) == 0 || body.size() < kReplyFlags2 + 4) return low;
    std::uint32_t high = load_le<std::uint32_t>(body.data() + kReplyFlags2);
    high |= static_cast<std::uint32_t>(add >> 32);
    store_le(body.data() + kReplyFlags2, high);
    return std::uint64_t{high} << 32 | low;
}

void InitPatch::saw_request(Bytes request) {
    if (done_.load(std::memory_order_acquire)) return;
    if (auto offer = parse_init_request(request)) offer_ = offer;
}

void InitPatch::before_reply(const iovec* pieces, int count) {
    if (done_.load(std::memory_order_acquire)) return;
    if (!offer_ || count != 2 || pieces[0].iov_len != kOutHeaderBytes) return;
    const auto* header = static_cast<const std::byte*>(pieces[0].iov_base);
    if (load_le<std::uint64_t>(header + 8) != offer_->unique) return;
    if (load_le<std::int32_t>(header + 4) != 0) return;
    MutableBytes body(static_cast<std::byte*>(pieces[1].iov_base), pieces[1].iov_len);
    agreed_.store(patch_init_reply(*offer_, body), std::memory_order_relaxed);
    done_.store(true, std::memory_order_release);
}

}  // namespace reelfs::fuse
