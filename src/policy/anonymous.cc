#include "reelfs/policy/anonymous.h"

#include <algorithm>

namespace reelfs::policy {

namespace {

constexpr std::uint32_t kOtherRead = 04;
constexpr std::uint32_t kOtherExecute = 01;

bool is_local(const AnonymousPeer& peer) {
    return peer.peer_is_loopback && peer.host_is_local && !peer.forwarded;
}

bool others_may_search(const Attributes& directory) {
    return directory.is_directory() && (directory.mode & kOtherExecute) != 0;
}

}  // namespace

bool anonymous_may_search(const AnonymousPeer& peer, ParentChain parents) {
    return is_local(peer) && !parents.empty() &&
           std::all_of(parents.begin(), parents.end(), others_may_search);
}

bool anonymous_may_read(const AnonymousPeer& peer, ParentChain parents, const Attributes& file) {
    return anonymous_may_search(peer, parents) && (file.mode & kOtherRead) != 0;
}

}  // namespace reelfs::policy
