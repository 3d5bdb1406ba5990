// The keyring: what it holds, and the sealing of its body. The bytes are keyring_format.cc's, the
// slots key_slots.cc's. The slots keep their wrapped bytes from the day they were added (nobody can
// wrap again without the secret); only the body is sealed anew by each encode().
#include "reelfs/crypto/keyring.h"

#include <fmt/format.h>
#include <sodium.h>

#include <algorithm>
#include <limits>

#include "crypto/key_slots.h"
#include "crypto/keyring_format.h"
#include "crypto/prepare.h"
#include "crypto/raw.h"
#include "crypto/recovery_key.h"
#include "crypto/require.h"
#include "reelfs/crypto/random.h"

namespace reelfs::crypto {

namespace {

/// Bytes that hold keys for a moment.
struct WipedBytes {
    explicit WipedBytes(std::size_t size) : bytes(size) {}
    WipedBytes(const WipedBytes&) = delete;
    WipedBytes& operator=(const WipedBytes&) = delete;
    ~WipedBytes() { wipe(bytes); }
    std::vector<std::byte> bytes;
};

constexpr std::size_t kFrameBytes =
    format::kHeadBytes + format::kBodyTagBytes + format::kChecksumBytes;

SecretKey body_key(const SecretKey& root, const StoreId& store) {
    return derive(root, "keyring body", store.bytes);
}

Error wrong_key(const format::Head& head, const Unlock& unlock) {
    const SlotKind given = kind_of(unlock);
    std::string opens_with;
    bool has_given = false;
    for (const SlotKind kind : {SlotKind::kPassphrase, SlotKind::kKeyFile, SlotKind::kRecovery}) {
        if (std::none_of(head.slots.begin(), head.slots.end(),
                         [&](const format::Slot& slot) { return slot.kind == kind; }))
            continue;
        has_given |= kind == given;
        opens_with += fmt::format("{}{}", opens_with.empty() ? "" : " or ", name_of(kind));
    }
    if (!has_given)
        return {Errc::kWrongKey, fmt::format("store {} does not open with {}; it opens with {}",
                                             head.store.hex(), name_of(given), opens_with)};
    return {Errc::kWrongKey,
            fmt::format("this is {} of another store, or not the right one: store {} does not open "
                        "(it opens with {})",
                        name_of(given), head.store.hex(), opens_with)};
}

struct Unwrapped {
    SecretKey root;
    std::size_t slot;
};

Result<Unwrapped> unwrap_root(const format::Head& head, const Unlock& unlock) {
    for (std::size_t i = 0; i < head.slots.size(); ++i) {
        RF_TRY(std::optional<SecretKey> root, open_slot(unlock, head.slots[i], head.store, i));
        if (root) return Unwrapped{*std::move(root), i};
    }
    return wrong_key(head, unlock);
}

Result<format::Body> open_body(Bytes file, const format::Head& head, const SecretKey& root) {
    const SecretKey key = body_key(root, head.store);
    const Bytes associated = file.first(format::kHeadBytes);
    const Bytes sealed = file.subspan(format::kHeadBytes, head.body_bytes + format::kBodyTagBytes);
    WipedBytes plain(head.body_bytes);
    if (crypto_aead_xchacha20poly1305_ietf_decrypt(
            raw(plain.bytes.data()), nullptr, nullptr, raw(sealed.data()), sealed.size(),
            raw(associated.data()), associated.size(), raw(head.body_nonce.data()),
            raw(key.view().data())) != 0)
        return Error(Errc::kCorrupt,
                     "the keyring has been altered: the key fits, but what it seals is not "
                     "authentic; put back the copy from another zone or from a backup, and find "
                     "out who wrote to this one");
    return format::read_body(plain.bytes);
}

}  // namespace

struct Keyring::State {
    State(SecretKey root_key, Random* source) : root(std::move(root_key)), random(source) {}

    SystemRandom system_random;
    SecretKey root;
    Random* random;  // null: system_random
    format::Head head;
    format::Body body;
    std::optional<std::size_t> opened_slot;

    Random& randomness() { return random != nullptr ? *random : system_random; }
    std::size_t slots_in_use() const {
        return static_cast<std::size_t>(
            std::count_if(head.slots.begin(), head.slots.end(),
                          [](const format::Slot& slot) { return slot.kind != SlotKind::kEmpty; }));
    }
    /// The newest key of a container, or end().
    format::ContainerKeys::const_iterator newest(ContainerId container) const {
        const KeyId last{std::numeric_limits<KeyId::Rep>::max()};
        auto after = body.keys.upper_bound({container, last});
        if (after == body.keys.begin()) return body.keys.end();
        --after;
        return after->first.first == container ? after : body.keys.end();
    }
};

Keyring::Keyring(std::unique_ptr<State> state) : state_(std::move(state)) {}
Keyring::Keyring(Keyring&&) noexcept = default;
Keyring& Keyring::operator=(Keyring&&) noexcept = default;
Keyring::~Keyring() = default;

Keyring Keyring::create(const StoreId& store, Random& random) {
    auto state = std::make_unique<State>(SecretKey::random(random), &random);
    state->head.store = store;
    state->body.zones = {Zone{ZoneId{0}, ""}};
    return Keyring(std::move(state));
}

Result<Keyring> Keyring::open(Bytes file, const Unlock& unlock) {
    RF_TRY(format::Head head, format::read_head(file));
    RF_TRY(Unwrapped unwrapped, unwrap_root(head, unlock));
    RF_TRY(format::Body body, open_body(file, head, unwrapped.root));
    auto state = std::make_unique<State>(std::move(unwrapped.root), nullptr);
    state->opened_slot = unwrapped.slot;
    state->head = head;
    state->body = std::move(body);
    return Keyring(std::move(state));
}

Result<KeyringHead> Keyring::peek(Bytes file) {
    RF_TRY(const format::Head head, format::read_head(file));
    KeyringHead seen{.store = head.store, .generation = head.generation};
    for (std::size_t i = 0; i < kKeyringSlots; ++i) seen.slots[i] = head.slots[i].kind;
    return seen;
}

Result<StoreId> Keyring::peek_store_id(Bytes file) {
    RF_TRY(const format::Head head, format::read_head(file));
    return head.store;
}

RecoveryKey Keyring::make_recovery_key(Random& random) {
    return recovery_key_from(SecretKey::random(random));
}

const StoreId& Keyring::store_id() const {
    return state_->head.store;
}

std::uint64_t Keyring::generation() const {
    return state_->head.generation;
}

Result<std::size_t> Keyring::add_slot(const Unlock& unlock, PassphraseCost cost) {
    for (std::size_t i = 0; i < kKeyringSlots; ++i) {
        format::Slot& slot = state_->head.slots[i];
        if (slot.kind != SlotKind::kEmpty) continue;
        RF_TRY(slot,
               make_slot(unlock, cost, state_->head.store, i, state_->root, state_->randomness()));
        return i;
    }
    return Error(Errc::kInvalid,
                 fmt::format("all {} key slots are in use; remove one first", kKeyringSlots));
}

Result<void> Keyring::take_slot(const Keyring& other, std::size_t slot) {
    require(other.store_id() == store_id() && slot < kKeyringSlots, "a slot of another store");
    format::Slot& here = state_->head.slots[slot];
    if (here.kind != SlotKind::kEmpty)
        return Error(Errc::kBusy,
                     fmt::format("key slot {} has been filled meanwhile; try again", slot));
    here = other.state_->head.slots[slot];
    return done();
}

Result<void> Keyring::remove_slot(std::size_t slot) {
    if (slot >= kKeyringSlots || state_->head.slots[slot].kind == SlotKind::kEmpty)
        return Error(Errc::kNotFound, fmt::format("key slot {} is not in use", slot));
    if (state_->slots_in_use() == 1)
        return Error(Errc::kInvalid,
                     "this is the last key slot, without which nothing opens the store again; add "
                     "another first");
    state_->head.slots[slot] = {};
    return done();
}

std::vector<SlotKind> Keyring::slots() const {
    std::vector<SlotKind> kinds;
    for (const format::Slot& slot : state_->head.slots) kinds.push_back(slot.kind);
    return kinds;
}

std::optional<std::size_t> Keyring::opened_slot() const {
    return state_->opened_slot;
}

const std::vector<Zone>& Keyring::zones() const {
    return state_->body.zones;
}

void Keyring::set_zones(std::vector<Zone> zones) {
    std::stable_sort(zones.begin(), zones.end(),
                     [](const Zone& a, const Zone& b) { return a.id < b.id; });
    state_->body.zones = std::move(zones);
}

KeyId Keyring::add_container_key(ContainerId container) {
    require(container != kNoContainer, "a key for no container");
    const auto newest = state_->newest(container);
    const KeyId id{newest == state_->body.keys.end() ? 1 : newest->first.second.value() + 1};
    require(id != KeyId{}, "a container ran out of key ids");
    state_->body.keys.emplace(std::pair{container, id}, SecretKey::random(state_->randomness()));
    return id;
}

void Keyring::take_back_container_key(ContainerId container, KeyId key) {
    state_->body.keys.erase({container, key});
}

Result<void> Keyring::remove_container_key(ContainerId container, KeyId key) {
    auto& keys = state_->body.keys;
    const auto found = keys.find({container, key});
    if (found == keys.end())
        return Error(Errc::kNotFound,
                     fmt::format("container {} has no key {}", container.value(), key.value()));
    if (found == state_->newest(container))
        return Error(Errc::kInvalid,
                     fmt::format("key {} is the newest of container {}; add its successor first",
                                 key.value(), container.value()));
    keys.erase(found);
    return done();
}

void Keyring::remove_container(ContainerId container) {
    auto& keys = state_->body.keys;
    const KeyId last{std::numeric_limits<KeyId::Rep>::max()};
    keys.erase(keys.lower_bound({container, KeyId{}}), keys.upper_bound({container, last}));
}

const SecretKey* Keyring::container_key(ContainerId container, KeyId key) const {
    const auto found = state_->body.keys.find({container, key});
    return found == state_->body.keys.end() ? nullptr : &found->second;
}

const SecretKey* Keyring::newest_container_key(ContainerId container, KeyId* key) const {
    const auto found = state_->newest(container);
    if (found == state_->body.keys.end()) return nullptr;
    if (key != nullptr) *key = found->first.second;
    return &found->second;
}

std::vector<ContainerId> Keyring::containers() const {
    std::vector<ContainerId> ids;
    for (const auto& [id, key] : state_->body.keys)
        if (ids.empty() || ids.back() != id.first) ids.push_back(id.first);
    return ids;
}

SecretKey Keyring::page_key() const {
    return derive(state_->root, "catalog pages", state_->head.store.bytes);
}

SecretKey Keyring::access_key() const {
    return derive(state_->root, "access keys", state_->head.store.bytes);
}

Result<std::vector<std::byte>> Keyring::encode() {
    State& state = *state_;
    if (state.slots_in_use() == 0)
        return Error(Errc::kInvalid,
                     "a keyring without a key slot could never be opened again; add one first");
    RF_CHECK(format::check_zones(state.body.zones));
    const std::size_t body_bytes = format::body_size(state.body);
    if (body_bytes > kKeyringBytesMax - kFrameBytes)
        return Error(Errc::kTooBig,
                     "the keyring is full: it holds some 380,000 container keys; "
                     "delete containers that are no longer needed");

    ++state.head.generation;
    state.head.body_bytes = static_cast<std::uint32_t>(body_bytes);
    state.randomness().fill(state.head.body_nonce);

    prepare_sodium();
    std::vector<std::byte> file(kFrameBytes + body_bytes);
    const MutableBytes head = MutableBytes(file).first(format::kHeadBytes);
    format::write_head(state.head, head);
    WipedBytes plain(body_bytes);
    format::write_body(state.body, plain.bytes);
    const SecretKey key = body_key(state.root, state.head.store);
    const int sealed = crypto_aead_xchacha20poly1305_ietf_encrypt(
        raw(file.data() + format::kHeadBytes), nullptr, raw(plain.bytes.data()), body_bytes,
        raw(head.data()), head.size(), nullptr, raw(state.head.body_nonce.data()),
        raw(key.view().data()));
    require(sealed == 0, "libsodium failed to seal the keyring");
    format::write_checksum(file);
    return file;
}

}  // namespace reelfs::crypto
