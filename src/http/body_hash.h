// The SHA-256 of a body, taken while it streams by. One body each; one thread at a time.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string_view>

#include "reelfs/base/bytes.h"

namespace reelfs::http {

using Sha256 = std::array<std::byte, 32>;

class BodyHash {
  public:
    BodyHash();
    ~BodyHash();
    BodyHash(BodyHash&&) noexcept;
    BodyHash& operator=(BodyHash&&) noexcept;

    void add(Bytes bytes);
    /// Once, at the end. Nothing when the library failed, now or at any add().
    std::optional<Sha256> finish();

  private:
    struct State;
    std::unique_ptr<State> state_;
};

/// 64 hex digits, in either case.
std::optional<Sha256> parse_sha256(std::string_view text);

}  // namespace reelfs::http
