#include "fuse/request_flags.h"

#include <gtest/gtest.h>
#include <linux/fuse.h>

#include <cstring>
#include <vector>

namespace reelfs::fuse {
namespace {

template <class Body>
std::vector<std::byte> request(std::uint32_t opcode, const Body& body) {
    fuse_in_header header{};
    header.opcode = opcode;
    header.len = sizeof header + sizeof body;
    std::vector<std::byte> out(header.len);
    std::memcpy(out.data(), &header, sizeof header);
    std::memcpy(out.data() + sizeof header, &body, sizeof body);
    return out;
}

TEST(RequestFlags, TellWhoseChangesTakePrivilegesAway) {
    for (bool drops : {false, true}) {
        fuse_write_in write{};
        write.write_flags = FUSE_WRITE_LOCKOWNER | (drops ? FUSE_WRITE_KILL_SUIDGID : 0u);
        EXPECT_EQ(drops_privileges(request(FUSE_WRITE, write)), drops);
        fuse_setattr_in setattr{};
        setattr.valid = FATTR_SIZE | (drops ? FATTR_KILL_SUIDGID : 0u);
        EXPECT_EQ(drops_privileges(request(FUSE_SETATTR, setattr)), drops);
        fuse_open_in open{};
        open.flags = ~0u;
        open.open_flags = drops ? FUSE_OPEN_KILL_SUIDGID : 0u;
        EXPECT_EQ(drops_privileges(request(FUSE_OPEN, open)), drops);
    }
}

TEST(RequestFlags, SayNothingForOtherAndShortRequests) {
    fuse_fallocate_in allocate{};
    EXPECT_EQ(drops_privileges(request(FUSE_FALLOCATE, allocate)), std::nullopt);
    fuse_write_in write{};
    const auto whole = request(FUSE_WRITE, write);
    for (std::size_t size = 0; size < 64; ++size)
        EXPECT_EQ(drops_privileges(Bytes(whole).first(size)), std::nullopt) << size;
}

}  // namespace
}  // namespace reelfs::fuse
