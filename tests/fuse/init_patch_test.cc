#include "fuse/init_patch.h"

#include <gtest/gtest.h>
#include <linux/fuse.h>

#include <cstring>
#include <vector>

namespace reelfs::fuse {
namespace {

using namespace init_flags;

std::vector<std::byte> request(std::uint64_t flags, std::uint64_t unique = 7,
                               std::uint32_t opcode = FUSE_INIT) {
    fuse_in_header header{};
    header.opcode = opcode;
    header.unique = unique;
    fuse_init_in body{};
    body.major = 7;
    body.flags = static_cast<std::uint32_t>(flags);
    body.flags2 = static_cast<std::uint32_t>(flags >> 32);
    header.len = sizeof header + sizeof body;
    std::vector<std::byte> out(header.len);
    std::memcpy(out.data(), &header, sizeof header);
    std::memcpy(out.data() + sizeof header, &body, sizeof body);
    return out;
}

struct Reply {
    fuse_out_header header{};
    fuse_init_out body{};
    Reply(std::uint64_t unique, std::uint64_t flags) {
        header.unique = unique;
        body.flags = static_cast<std::uint32_t>(flags);
        body.flags2 = static_cast<std::uint32_t>(flags >> 32);
    }
    MutableBytes bytes() { return std::as_writable_bytes(std::span(&body, 1)); }
    std::uint64_t flags() const { return std::uint64_t{body.flags2} << 32 | body.flags; }
    void pass_through(InitPatch& patch) {
        iovec pieces[2] = {{&header, sizeof header}, {&body, sizeof body}};
        patch.before_reply(pieces, 2);
    }
};

TEST(InitPatch, ReadsTheOfferOfAnInitRequest) {
    auto offer = parse_init_request(request(kInitExt | kWanted, 99));
    ASSERT_TRUE(offer);
    EXPECT_EQ(offer->unique, 99u);
    EXPECT_EQ(offer->flags, kInitExt | kWanted);
}

TEST(InitPatch, IgnoresTheUpperFlagsOfAKernelThatDoesNotSpeakOfThem) {
    auto offer = parse_init_request(request(kWanted));
    ASSERT_TRUE(offer);
    EXPECT_EQ(offer->flags, kParallelDirops | kHandleKillprivV2);
}

TEST(InitPatch, TakesNoOtherRequestAndNoShortOne) {
    EXPECT_FALSE(parse_init_request(request(kWanted, 1, FUSE_LOOKUP)));
    auto whole = request(kWanted | kInitExt);
    for (std::size_t size = 0; size < whole.size(); ++size) {
        auto offer = parse_init_request(Bytes(whole).first(size));
        EXPECT_EQ(offer.has_value(), size >= 56) << size;
        if (offer && size < 60) {
            EXPECT_EQ(offer->flags >> 32, 0u);
        }
    }
}

TEST(InitPatch, AddsWhatWasOfferedAndNothingElse) {
    for (unsigned offered = 0; offered < 8; ++offered) {
        std::uint64_t flags = kInitExt;
        if (offered & 1) flags |= kParallelDirops;
        if (offered & 2) flags |= kHandleKillprivV2;
        if (offered & 4) flags |= kDirectIoAllowMmap;
        Reply reply(7, 0x40409029);
        std::uint64_t agreed = patch_init_reply({7, flags}, reply.bytes());
        EXPECT_EQ(reply.flags(), 0x40409029 | (flags & kWanted));
        EXPECT_EQ(agreed, reply.flags());
    }
}

TEST(InitPatch, LeavesTheUpperFlagsAloneWhenTheReplyDoesNotSpeakOfThem) {
    Reply reply(7, 0x00409029);
    patch_init_reply({7, kInitExt | kWanted}, reply.bytes());
    EXPECT_EQ(reply.flags(), 0x00409029 | kParallelDirops | kHandleKillprivV2);
}

TEST(InitPatch, WritesNothingBeyondAShortReply) {
    for (std::size_t size = 0; size < 36; ++size) {
        std::vector<std::byte> body(size);
        if (size >= 16) store_le<std::uint32_t>(body.data() + 12, 1u << 30);
        patch_init_reply({7, kInitExt | kWanted}, body);  // the sanitizer watches the end
        EXPECT_EQ(body.size(), size);
    }
}

TEST(InitPatch, PatchesTheReplyToInitOnceAndNoOther) {
    InitPatch patch;
    Reply early(7, 0);
    early.pass_through(patch);
    EXPECT_EQ(early.flags(), 0u);

    patch.saw_request(request(kInitExt | kWanted, 7));
    Reply other(8, kInitExt);
    other.pass_through(patch);
    EXPECT_EQ(other.flags(), kInitExt);

    Reply failed(7, kInitExt);
    failed.header.error = -71;
    failed.pass_through(patch);
    EXPECT_EQ(failed.flags(), kInitExt);

    Reply init(7, kInitExt);
    init.pass_through(patch);
    EXPECT_EQ(init.flags(), kInitExt | kWanted);
    EXPECT_EQ(patch.agreed(), kInitExt | kWanted);

    Reply later(7, kInitExt);
    later.pass_through(patch);
    EXPECT_EQ(later.flags(), kInitExt);
}

}  // namespace
}  // namespace reelfs::fuse
