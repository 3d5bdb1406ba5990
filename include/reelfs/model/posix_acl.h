// POSIX access control lists: the value of system.posix_acl_access and system.posix_acl_default as
// the kernel and setfacl(1) exchange it, and the arithmetic between a list and the nine permission
// bits, as Linux does it. Pure.
//
//     offset 0  u32  version, 2
//            4  entries of 8 bytes: u16 tag, u16 permissions (rwx = 7), u32 uid or gid
//                                   (0xffffffff where the tag names nobody)
//
// Little-endian. Entries stand in the order of their tags: one owner, users, one group, groups, at
// most one mask, one other. With named users or groups there must be a mask.
//
// Example, u::rw-,u:1234:r-x,g::r--,m::r-x,o::---:
//     02000000  0100 0600 ffffffff  0200 0500 d2040000  0400 0400 ffffffff
//               1000 0500 ffffffff  2000 0000 ffffffff
//
// The owner's bits of a mode are the owner's entry, others' bits the entry for others; the group's
// bits are the mask where there is one, else the group's entry. The three are always in step.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "reelfs/base/bytes.h"
#include "reelfs/base/result.h"

namespace reelfs {

inline constexpr std::string_view kAccessAclName = "system.posix_acl_access";
inline constexpr std::string_view kDefaultAclName = "system.posix_acl_default";

inline bool is_acl_name(std::string_view name) {
    return name == kAccessAclName || name == kDefaultAclName;
}

enum class AclTag : std::uint16_t {
    kOwner = 0x01,
    kUser = 0x02,
    kGroup = 0x04,
    kNamedGroup = 0x08,
    kMask = 0x10,
    kOther = 0x20,
};

struct AclEntry {
    AclTag tag = AclTag::kOwner;
    std::uint16_t permissions = 0;  // rwx
    std::uint32_t id = kNobody;     // of a named user or group

    static constexpr std::uint32_t kNobody = 0xffff'ffff;
    bool operator==(const AclEntry&) const = default;
};

class PosixAcl {
  public:
    /// kUnsupported for another version, kInvalid for everything else that Linux refuses.
    static Result<PosixAcl> parse(Bytes value);
    std::vector<std::byte> serialize() const;

    const std::vector<AclEntry>& entries() const { return entries_; }
    /// The nine bits that go with it.
    std::uint32_t mode() const;
    /// No more than these nine bits say, so that a mode is all there is to keep.
    bool says_no_more_than_a_mode() const;
    /// chmod(2): afterwards mode() is the nine bits of `mode`.
    void set_mode(std::uint32_t mode);
    /// What a file made with `mode` gets from this default list: takes away what the mode does not
    /// grant. Afterwards mode() is the file's.
    void restrict_to(std::uint32_t mode);

    bool operator==(const PosixAcl&) const = default;

  private:
    explicit PosixAcl(std::vector<AclEntry> entries) : entries_(std::move(entries)) {}
    /// Which entry the group's bits of a mode mean.
    std::size_t group_class() const;

    std::vector<AclEntry> entries_;
};

}  // namespace reelfs
