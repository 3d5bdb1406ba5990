// Who asks through the HTTP door, as policy sees it. Values only.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "reelfs/model/ids.h"
#include "reelfs/model/names.h"

namespace reelfs {

/// What can be asked for on data, by MediaStore's names. The order is stored (ActionSet).
enum class Action : std::uint8_t {
    kGetObject,
    kDescribeObject,  // HEAD
    kPutObject,
    kDeleteObject,
    kListItems,
};

class ActionSet {
  public:
    constexpr ActionSet() = default;
    /// The bits as stored: bit n is the n-th Action.
    static constexpr ActionSet of_bits(std::uint32_t bits) {
        ActionSet set;
        set.bits_ = bits;
        return set;
    }
    constexpr void add(Action action) { bits_ |= 1u << static_cast<unsigned>(action); }
    constexpr bool has(Action action) const {
        return (bits_ >> static_cast<unsigned>(action) & 1u) != 0;
    }
    constexpr bool empty() const { return bits_ == 0; }
    constexpr std::uint32_t bits() const { return bits_; }
    bool operator==(const ActionSet&) const = default;

  private:
    std::uint32_t bits_ = 0;
};

/// What an ingest token is good for, and nothing else: these actions on the path `prefix` and on
/// what lies below it, in one container.
struct Grant {
    ContainerId container;
    Components prefix;  // empty: the whole container
    ActionSet actions;
    bool operator==(const Grant&) const = default;
};

/// Who a request has been proved to come from: a name of our own, or nobody.
struct Principal {
    std::string name;            // "": nobody, the anonymous principal
    std::optional<Grant> grant;  // a token's; a user's access is not narrowed
    bool is_anonymous() const { return name.empty(); }
};

/// The anonymous principal. Trusted with world-readable files only when it is plainly a person at
/// this machine: see policy/anonymous.h.
struct AnonymousPeer {
    bool peer_is_loopback = false;  // the TCP peer's address
    bool host_is_local = false;     // Host: localhost or a loopback literal
    bool forwarded = false;         // Forwarded, X-Forwarded-For or Via was present
};

/// What a policy decides on, but for the container and the path.
struct AccessRequest {
    AccessRequest() = default;
    AccessRequest(const AnonymousPeer& nobody) : peer(nobody) {}  // NOLINT: a GET by nobody

    Principal principal;
    AnonymousPeer peer;  // where the request comes from: all that speaks for nobody in particular
    Action action = Action::kGetObject;
};

}  // namespace reelfs
