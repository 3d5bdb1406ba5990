#include "reelfs/model/posix_stat.h"

#include <limits>

namespace reelfs {

mode_t type_bits(NodeType type) {
    switch (type) {
        case NodeType::kFile:
            return S_IFREG;
        case NodeType::kDirectory:
            return S_IFDIR;
        case NodeType::kSymlink:
            return S_IFLNK;
        case NodeType::kFifo:
            return S_IFIFO;
        case NodeType::kSocket:
            return S_IFSOCK;
        case NodeType::kCharDevice:
            return S_IFCHR;
        case NodeType::kBlockDevice:
            return S_IFBLK;
    }
    return S_IFREG;
}

std::optional<NodeType> type_of(mode_t mode) {
    switch (mode & S_IFMT) {
        case 0:
        case S_IFREG:
            return NodeType::kFile;
        case S_IFDIR:
            return NodeType::kDirectory;
        case S_IFLNK:
            return NodeType::kSymlink;
        case S_IFIFO:
            return NodeType::kFifo;
        case S_IFSOCK:
            return NodeType::kSocket;
        case S_IFCHR:
            return NodeType::kCharDevice;
        case S_IFBLK:
            return NodeType::kBlockDevice;
        default:
            return std::nullopt;
    }
}

Timestamp timestamp_of(const timespec& time) {
    constexpr std::int64_t kSecond = 1'000'000'000;
    constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
    constexpr std::int64_t kMin = std::numeric_limits<std::int64_t>::min();
    if (time.tv_sec >= kMax / kSecond) return {kMax};
    if (time.tv_sec <= kMin / kSecond) return {kMin};
    return {time.tv_sec * kSecond + time.tv_nsec};
}

timespec timespec_of(Timestamp time) {
    return {time.seconds(), time.nanosecond_part()};
}

}  // namespace reelfs
