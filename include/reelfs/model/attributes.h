// What a node is, as stat(2) sees it. Values only.
#pragma once

#include <cstdint>
#include <optional>

#include "reelfs/base/clock.h"
#include "reelfs/model/ids.h"

namespace reelfs {

enum class NodeType : std::uint8_t {
    kFile = 1,
    kDirectory = 2,
    kSymlink = 3,
    kFifo = 4,
    kSocket = 5,
    kCharDevice = 6,
    kBlockDevice = 7,
};

struct Attributes {
    NodeId node;
    std::uint64_t generation = 1;
    ContainerId container;
    NodeType type = NodeType::kFile;
    std::uint32_t mode = 0;  // permission bits with suid, sgid, sticky: 07777
    std::uint32_t links = 0;
    std::uint32_t uid = 0;
    std::uint32_t gid = 0;
    std::uint64_t device = 0;           // for device nodes, as dev_t
    std::uint64_t size = 0;             // bytes
    std::uint64_t allocated_bytes = 0;  // st_blocks * 512
    Timestamp accessed;
    Timestamp modified;
    Timestamp changed;
    Timestamp created;
    std::optional<Timestamp> expires;
    /// Grows through HTTP now: a door in front of a cache may keep nothing of it. Never stored.
    bool grows_elsewhere = false;

    bool is_directory() const { return type == NodeType::kDirectory; }
    bool is_file() const { return type == NodeType::kFile; }
    bool operator==(const Attributes&) const = default;
};

/// A mode after somebody without privilege changed the content or the owner: without suid; and
/// without sgid, unless the group may not execute and whoever changed it belongs to the group. As
/// Linux has it since 6.2 (before, everybody was taken for a member).
inline std::uint32_t without_privileges(std::uint32_t mode, bool by_group_member) {
    constexpr std::uint32_t kSetUid = 04000, kSetGid = 02000, kGroupExecutes = 010;
    const bool keeps_sgid = by_group_member && (mode & kGroupExecutes) == 0;
    return mode & ~(kSetUid | (keeps_sgid ? 0u : kSetGid));
}

}  // namespace reelfs
