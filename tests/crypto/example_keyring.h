// Keyrings for tests: the worked example of man/reelfs-format.5, "KEYRING", and the counting
// randomness behind it.
#pragma once

#include "reelfs/crypto/keyring.h"

namespace reelfs::crypto {

/// 00 01 02 ... ff 00 ...: for examples and goldens only. Not thread-safe.
class CountingRandom final : public Random {
  public:
    void fill(MutableBytes out) override {
        for (std::byte& byte : out) byte = static_cast<std::byte>(next_++);
    }

  private:
    std::uint8_t next_ = 0;
};

inline KeyFile example_key_file() {
    return {copy_of(bytes_of("reelfs example key file, of no use to anybody"))};
}

/// Store a0a1...af, one key file slot, zones 0 and 1, container 7 with one key.
inline Keyring example_keyring(Random& random) {
    StoreId store;
    for (std::size_t i = 0; i < store.bytes.size(); ++i)
        store.bytes[i] = static_cast<std::byte>(0xa0 + i);
    Keyring keyring = Keyring::create(store, random);
    static_cast<void>(keyring.add_slot(example_key_file()).value());
    keyring.set_zones({{ZoneId{0}, ""}, {ZoneId{1}, "/srv/disk2"}});
    keyring.add_container_key(ContainerId{7});
    return keyring;
}

/// The least that a passphrase slot takes.
inline constexpr PassphraseCost kCheap{1, 8u << 10};

/// kNotFound: it opens.
inline Errc open_code(Bytes file, const Unlock& unlock) {
    const auto opened = Keyring::open(file, unlock);
    return opened.ok() ? Errc::kNotFound : opened.error().code();
}

}  // namespace reelfs::crypto
