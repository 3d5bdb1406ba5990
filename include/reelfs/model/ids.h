// Identities and quantities that do not convert into each other. They cost nothing: each is its
// integer.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

namespace reelfs {

template <class Tag, class Integer>
class Strong {
  public:
    using Rep = Integer;
    constexpr Strong() = default;
    explicit constexpr Strong(Integer value) : value_(value) {}
    constexpr Integer value() const { return value_; }
    auto operator<=>(const Strong&) const = default;

  private:
    Integer value_ = 0;
};

/// A file, directory, link or special node; unique in the store, never reused. 1 is the root of the
/// tree.
using NodeId = Strong<struct NodeIdTag, std::uint64_t>;
inline constexpr NodeId kRootNode{1};

/// A container; unique in the store, never reused. 0 stands for the root, which belongs to none.
using ContainerId = Strong<struct ContainerIdTag, std::uint64_t>;
inline constexpr ContainerId kNoContainer{0};

/// A sealed run of blocks; unique in the store, never reused.
using ExtentId = Strong<struct ExtentIdTag, std::uint64_t>;
/// One of a container's keys; counts from 1 within the container.
using KeyId = Strong<struct KeyIdTag, std::uint32_t>;
/// A block within an extent, from 0.
using BlockIndex = Strong<struct BlockIndexTag, std::uint32_t>;
/// A directory in which packs live; counts from 0, which is the store itself.
using ZoneId = Strong<struct ZoneIdTag, std::uint16_t>;

/// A pack's random 128-bit name; its file is `packs/<first byte in hex>/<32 hex digits>.pack`.
struct PackId {
    std::array<std::byte, 16> bytes{};
    auto operator<=>(const PackId&) const = default;
    std::string hex() const;
};

/// A store's random 128-bit identity.
struct StoreId {
    std::array<std::byte, 16> bytes{};
    auto operator<=>(const StoreId&) const = default;
    std::string hex() const;
};

/// 128 random bits per content version of a file; `none()` while it grows.
struct ETag {
    std::array<std::byte, 16> bytes{};
    auto operator<=>(const ETag&) const = default;
    bool none() const { return *this == ETag{}; }
    std::string hex() const;
};

}  // namespace reelfs

template <class Tag, class Integer>
struct std::hash<reelfs::Strong<Tag, Integer>> {
    std::size_t operator()(reelfs::Strong<Tag, Integer> id) const noexcept {
        // Ids are dense; a multiplicative mix spreads them over shards and buckets.
        return static_cast<std::size_t>(id.value() * 0x9E3779B97F4A7C15ull >> 7);
    }
};
template <>
struct std::hash<reelfs::PackId> {
    std::size_t operator()(const reelfs::PackId& id) const noexcept {
        std::size_t value = 0;
        for (int i = 0; i < 8; ++i)
            value =
                value << 8 | std::to_integer<std::size_t>(id.bytes[static_cast<std::size_t>(i)]);
        return value;
    }
};
