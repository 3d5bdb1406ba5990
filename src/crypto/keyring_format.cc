// Head and body of the keyring file; see keyring_format.h.
#include "crypto/keyring_format.h"

#include <fmt/format.h>
#include <sodium.h>

#include <algorithm>

#include "crypto/prepare.h"
#include "crypto/raw.h"
#include "crypto/require.h"

namespace reelfs::crypto::format {

namespace {

constexpr std::string_view kMagic = "reelkeys";
constexpr std::uint16_t kVersion = 1;

// Head
constexpr std::size_t kVersionAt = 8, kSlotCountAt = 10, kBodyBytesAt = 12, kStoreAt = 16,
                      kGenerationAt = 32, kBodyNonceAt = 40, kSlotsAt = 64;
// Slot
constexpr std::size_t kKindAt = 0, kOperationsAt = 8, kMemoryAt = 16, kSaltAt = 24, kNonceAt = 40,
                      kWrappedAt = 64, kSlotBytes = 112;
static_assert(kSlotsAt + kKeyringSlots * kSlotBytes == kHeadBytes);
static_assert(kSlotAssociatedBytes == 32 + kWrappedAt);

// Body
constexpr std::size_t kCountsBytes = 8, kZoneHeadBytes = 4, kKeyEntryBytes = 8 + 4 + kKeyBytes,
                      kBodyAlignment = 256;
constexpr std::size_t kZonePathBytesMax = 4095;

constexpr PassphraseCost kCostMin{1, 8u << 10};
constexpr PassphraseCost kCostMax{64, std::uint64_t{4} << 30};

Error damaged(std::string_view what) {
    return {
        Errc::kCorrupt,
        fmt::format("the keyring is damaged ({}); put back the copy from another zone or from a "
                    "backup",
                    what)};
}

template <std::size_t Size>
void load(std::array<std::byte, Size>& to, const std::byte* from) {
    std::copy_n(from, Size, to.begin());
}

std::array<std::byte, kChecksumBytes> checksum_of(Bytes file) {
    prepare_sodium();
    std::array<std::byte, kChecksumBytes> sum;
    const std::size_t covered = file.size() - kChecksumBytes;
    crypto_generichash(raw(sum.data()), sum.size(), raw(file.data()), covered, nullptr, 0);
    return sum;
}

Result<Slot> read_slot(Bytes from, std::size_t number) {
    const std::byte* at = from.data();
    Slot slot;
    const auto kind = std::to_integer<std::uint8_t>(at[kKindAt]);
    if (kind > static_cast<std::uint8_t>(SlotKind::kRecovery) ||
        !all_zero(from.subspan(kKindAt + 1, kOperationsAt - kKindAt - 1)))
        return damaged(fmt::format("slot {}: unknown kind", number));
    slot.kind = static_cast<SlotKind>(kind);
    slot.cost = {load_le<std::uint64_t>(at + kOperationsAt),
                 load_le<std::uint64_t>(at + kMemoryAt)};
    load(slot.salt, at + kSaltAt);
    load(slot.nonce, at + kNonceAt);
    load(slot.wrapped, at + kWrappedAt);

    if (slot.kind == SlotKind::kEmpty && !all_zero(from))
        return damaged(fmt::format("slot {}: empty, but not zero", number));
    const bool passphrase = slot.kind == SlotKind::kPassphrase;
    if (passphrase ? !cost_is_allowed(slot.cost) : slot.cost != PassphraseCost{0, 0})
        return damaged(fmt::format("slot {}: cost out of range", number));
    return slot;
}

void write_slot(const Slot& slot, std::byte* to) {
    to[kKindAt] = static_cast<std::byte>(slot.kind);
    store_le(to + kOperationsAt, slot.cost.operations);
    store_le(to + kMemoryAt, slot.cost.memory_bytes);
    std::copy(slot.salt.begin(), slot.salt.end(), to + kSaltAt);
    std::copy(slot.nonce.begin(), slot.nonce.end(), to + kNonceAt);
    std::copy(slot.wrapped.begin(), slot.wrapped.end(), to + kWrappedAt);
}

/// What every version keeps in its place: magic, version, store id, checksum at the end.
Result<void> check_frame(Bytes file) {
    if (file.size() < kMagic.size() || text_of(file.first(kMagic.size())) != kMagic)
        return Error(Errc::kCorrupt,
                     "this is not a reelfs keyring, or its beginning is damaged; check the path, "
                     "or put back the copy from another zone or from a backup");
    if (file.size() < kStoreAt + sizeof(StoreId) + kChecksumBytes) return damaged("cut short");
    if (file.size() > kKeyringBytesMax) return damaged("too long");
    const auto sum = checksum_of(file);
    if (!std::equal(sum.begin(), sum.end(), file.end() - kChecksumBytes))
        return damaged("checksum does not match");
    const auto version = load_le<std::uint16_t>(file.data() + kVersionAt);
    if (version > kVersion)
        return Error(Errc::kNewerFormat,
                     fmt::format("the keyring has format {}, and this reelfs knows up to {}; use "
                                 "the newer reelfs that wrote it",
                                 version, kVersion));
    if (version != kVersion) return damaged(fmt::format("unknown format {}", version));
    return done();
}

}  // namespace

bool cost_is_allowed(const PassphraseCost& cost) {
    return cost.operations >= kCostMin.operations && cost.operations <= kCostMax.operations &&
           cost.memory_bytes >= kCostMin.memory_bytes && cost.memory_bytes <= kCostMax.memory_bytes;
}

Result<Head> read_head(Bytes file) {
    RF_CHECK(check_frame(file));
    if (file.size() < kHeadBytes + kBodyTagBytes + kChecksumBytes) return damaged("cut short");
    const std::byte* at = file.data();
    Head head;
    load(head.store.bytes, at + kStoreAt);
    head.generation = load_le<std::uint64_t>(at + kGenerationAt);
    load(head.body_nonce, at + kBodyNonceAt);
    head.body_bytes = load_le<std::uint32_t>(at + kBodyBytesAt);
    if (load_le<std::uint16_t>(at + kSlotCountAt) != kKeyringSlots)
        return damaged("wrong number of slots");
    if (head.body_bytes != file.size() - kHeadBytes - kBodyTagBytes - kChecksumBytes)
        return damaged("length does not match");
    for (std::size_t i = 0; i < kKeyringSlots; ++i) {
        RF_TRY(head.slots[i], read_slot(file.subspan(kSlotsAt + i * kSlotBytes, kSlotBytes), i));
    }
    if (std::all_of(head.slots.begin(), head.slots.end(),
                    [](const Slot& slot) { return slot.kind == SlotKind::kEmpty; }))
        return damaged("no slot in use");
    return head;
}

void write_head(const Head& from, MutableBytes head) {
    require(head.size() == kHeadBytes, "a keyring head of the wrong size");
    std::fill(head.begin(), head.end(), std::byte{});
    std::byte* to = head.data();
    std::memcpy(to, kMagic.data(), kMagic.size());
    store_le(to + kVersionAt, kVersion);
    store_le(to + kSlotCountAt, static_cast<std::uint16_t>(kKeyringSlots));
    store_le(to + kBodyBytesAt, from.body_bytes);
    std::copy(from.store.bytes.begin(), from.store.bytes.end(), to + kStoreAt);
    store_le(to + kGenerationAt, from.generation);
    std::copy(from.body_nonce.begin(), from.body_nonce.end(), to + kBodyNonceAt);
    for (std::size_t i = 0; i < kKeyringSlots; ++i)
        write_slot(from.slots[i], to + kSlotsAt + i * kSlotBytes);
}

void write_checksum(MutableBytes file) {
    require(file.size() > kChecksumBytes, "a keyring without room for its checksum");
    const auto sum = checksum_of(file);
    std::copy(sum.begin(), sum.end(), file.end() - kChecksumBytes);
}

std::array<std::byte, kSlotAssociatedBytes> slot_associated(const StoreId& store,
                                                            std::size_t number, const Slot& slot) {
    std::array<std::byte, kSlotBytes> bytes{};
    write_slot(slot, bytes.data());
    std::array<std::byte, kSlotAssociatedBytes> data{};
    std::memcpy(data.data(), kMagic.data(), kMagic.size());
    store_le(data.data() + 8, kVersion);
    store_le(data.data() + 10, static_cast<std::uint16_t>(number));
    std::copy(store.bytes.begin(), store.bytes.end(), data.begin() + 16);
    std::copy_n(bytes.begin(), kWrappedAt, data.begin() + 32);
    return data;
}

Result<void> check_zones(const std::vector<Zone>& zones) {
    if (zones.empty() || zones.front().id != ZoneId{0} || !zones.front().path.empty())
        return Error(Errc::kInvalid, "the first zone is 0, the store itself, with an empty path");
    for (std::size_t i = 1; i < zones.size(); ++i) {
        const Zone& zone = zones[i];
        if (zone.id <= zones[i - 1].id)
            return Error(Errc::kInvalid, fmt::format("zone {} stands twice", zone.id.value()));
        if (zone.path.empty() || zone.path.front() != '/' || zone.path.size() > kZonePathBytesMax ||
            zone.path.find('\0') != std::string::npos)
            return Error(Errc::kInvalid, fmt::format("zone {} needs an absolute path of at most {} "
                                                     "bytes",
                                                     zone.id.value(), kZonePathBytesMax));
    }
    return done();
}

std::size_t body_size(const Body& body) {
    std::size_t size = kCountsBytes + body.keys.size() * kKeyEntryBytes;
    for (const Zone& zone : body.zones) size += kZoneHeadBytes + zone.path.size();
    return (size + kBodyAlignment - 1) / kBodyAlignment * kBodyAlignment;
}

void write_body(const Body& from, MutableBytes plain) {
    require(plain.size() == body_size(from), "a keyring body of the wrong size");
    std::fill(plain.begin(), plain.end(), std::byte{});
    std::byte* to = plain.data();
    store_le(to, static_cast<std::uint32_t>(from.zones.size()));
    store_le(to + 4, static_cast<std::uint32_t>(from.keys.size()));
    to += kCountsBytes;
    for (const Zone& zone : from.zones) {
        store_le(to, zone.id.value());
        store_le(to + 2, static_cast<std::uint16_t>(zone.path.size()));
        std::memcpy(to + kZoneHeadBytes, zone.path.data(), zone.path.size());
        to += kZoneHeadBytes + zone.path.size();
    }
    for (const auto& [id, key] : from.keys) {
        store_le(to, id.first.value());
        store_le(to + 8, id.second.value());
        std::memcpy(to + 12, key.view().data(), kKeyBytes);
        to += kKeyEntryBytes;
    }
}

Result<Body> read_body(Bytes plain) {
    const Error broken = damaged("its sealed part contradicts itself");
    if (plain.size() < kCountsBytes || plain.size() % kBodyAlignment != 0) return broken;
    const auto zone_count = load_le<std::uint32_t>(plain.data());
    const auto key_count = load_le<std::uint32_t>(plain.data() + 4);
    Bytes rest = plain.subspan(kCountsBytes);
    Body body;
    for (std::uint32_t i = 0; i < zone_count; ++i) {
        if (rest.size() < kZoneHeadBytes) return broken;
        const ZoneId id{load_le<std::uint16_t>(rest.data())};
        const std::size_t length = load_le<std::uint16_t>(rest.data() + 2);
        if (rest.size() < kZoneHeadBytes + length) return broken;
        body.zones.push_back({id, std::string(text_of(rest.subspan(kZoneHeadBytes, length)))});
        rest = rest.subspan(kZoneHeadBytes + length);
    }
    if (!check_zones(body.zones).ok() || rest.size() / kKeyEntryBytes < key_count) return broken;
    for (std::uint32_t i = 0; i < key_count; ++i) {
        const std::pair id{ContainerId{load_le<std::uint64_t>(rest.data())},
                           KeyId{load_le<std::uint32_t>(rest.data() + 8)}};
        const bool rises = body.keys.empty() || body.keys.rbegin()->first < id;
        if (!rises || id.first == kNoContainer || id.second == KeyId{}) return broken;
        body.keys.emplace_hint(body.keys.end(), id, SecretKey::from(rest.subspan(12, kKeyBytes)));
        rest = rest.subspan(kKeyEntryBytes);
    }
    if (rest.size() >= kBodyAlignment || !all_zero(rest)) return broken;
    return body;
}

}  // namespace reelfs::crypto::format
