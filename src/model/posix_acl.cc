#include "reelfs/model/posix_acl.h"

#include <algorithm>

namespace reelfs {

namespace {

constexpr std::uint32_t kVersion = 2;
constexpr std::size_t kHeaderBytes = 4;
constexpr std::size_t kEntryBytes = 8;
constexpr std::uint16_t kAll = 07;

bool is_named(AclTag tag) {
    return tag == AclTag::kUser || tag == AclTag::kNamedGroup;
}

/// Order, number and completeness of the entries (posix_acl_valid() in Linux). Two entries for one
/// user are left to the first of them, as there.
bool is_well_formed(const std::vector<AclEntry>& entries) {
    const auto count = [&](AclTag tag) {
        return std::count_if(entries.begin(), entries.end(),
                             [&](const AclEntry& entry) { return entry.tag == tag; });
    };
    const bool in_order = std::is_sorted(
        entries.begin(), entries.end(),
        [](const AclEntry& left, const AclEntry& right) { return left.tag < right.tag; });
    const bool needs_mask = count(AclTag::kUser) > 0 || count(AclTag::kNamedGroup) > 0;
    return in_order && count(AclTag::kOwner) == 1 && count(AclTag::kGroup) == 1 &&
           count(AclTag::kOther) == 1 && count(AclTag::kMask) <= 1 &&
           (!needs_mask || count(AclTag::kMask) == 1);
}

bool is_tag(std::uint16_t tag) {
    switch (static_cast<AclTag>(tag)) {
        case AclTag::kOwner:
        case AclTag::kUser:
        case AclTag::kGroup:
        case AclTag::kNamedGroup:
        case AclTag::kMask:
        case AclTag::kOther:
            return true;
    }
    return false;
}

}  // namespace

Result<PosixAcl> PosixAcl::parse(Bytes value) {
    if (value.size() < kHeaderBytes || (value.size() - kHeaderBytes) % kEntryBytes != 0)
        return Error(Errc::kInvalid, "an access control list of a wrong length");
    if (load_le<std::uint32_t>(value.data()) != kVersion)
        return Error(Errc::kUnsupported, "an access control list of an unknown version");
    std::vector<AclEntry> entries;
    for (value = value.subspan(kHeaderBytes); !value.empty(); value = value.subspan(kEntryBytes)) {
        const auto tag = load_le<std::uint16_t>(value.data());
        const auto permissions = load_le<std::uint16_t>(value.data() + 2);
        if (!is_tag(tag) || (permissions & ~kAll) != 0)
            return Error(Errc::kInvalid, "an access control list with an unknown entry");
        AclEntry entry{static_cast<AclTag>(tag), permissions, AclEntry::kNobody};
        if (is_named(entry.tag)) {
            entry.id = load_le<std::uint32_t>(value.data() + 4);
            if (entry.id == AclEntry::kNobody)
                return Error(Errc::kInvalid, "an access control list that names nobody");
        }
        entries.push_back(entry);
    }
    if (!is_well_formed(entries))
        return Error(Errc::kInvalid,
                     "an access control list has owner, group and other once each, in order, and a "
                     "mask when it names users or groups");
    return PosixAcl(std::move(entries));
}

std::vector<std::byte> PosixAcl::serialize() const {
    std::vector<std::byte> value(kHeaderBytes + entries_.size() * kEntryBytes);
    store_le(value.data(), kVersion);
    std::byte* at = value.data() + kHeaderBytes;
    for (const AclEntry& entry : entries_) {
        store_le(at, static_cast<std::uint16_t>(entry.tag));
        store_le(at + 2, entry.permissions);
        store_le(at + 4, entry.id);
        at += kEntryBytes;
    }
    return value;
}

std::size_t PosixAcl::group_class() const {
    std::size_t found = 0;
    for (std::size_t i = 0; i < entries_.size(); ++i) {
        if (entries_[i].tag == AclTag::kMask) return i;
        if (entries_[i].tag == AclTag::kGroup) found = i;
    }
    return found;
}

std::uint32_t PosixAcl::mode() const {
    std::uint32_t mode = 0;
    for (const AclEntry& entry : entries_) {
        if (entry.tag == AclTag::kOwner) mode |= std::uint32_t{entry.permissions} << 6;
        if (entry.tag == AclTag::kOther) mode |= entry.permissions;
    }
    return mode | std::uint32_t{entries_[group_class()].permissions} << 3;
}

bool PosixAcl::says_no_more_than_a_mode() const {
    return std::none_of(entries_.begin(), entries_.end(), [](const AclEntry& entry) {
        return is_named(entry.tag) || entry.tag == AclTag::kMask;
    });
}

void PosixAcl::set_mode(std::uint32_t mode) {
    for (AclEntry& entry : entries_) {
        if (entry.tag == AclTag::kOwner) entry.permissions = mode >> 6 & kAll;
        if (entry.tag == AclTag::kOther) entry.permissions = mode & kAll;
    }
    entries_[group_class()].permissions = mode >> 3 & kAll;
}

void PosixAcl::restrict_to(std::uint32_t mode) {
    set_mode(this->mode() & mode);
}

}  // namespace reelfs
