#include "core/keys.h"

#include <fmt/format.h>

#include <algorithm>

#include "reelfs/base/log.h"

namespace reelfs::core {

namespace {

/// Never one of the errors that say that nothing was changed.
Error not_saved(const Error& error) {
    return Error(error.code() == Errc::kNoSpace ? Errc::kNoSpace : Errc::kIo, error.message())
        .with("save the keyring");
}

}  // namespace

Keys::Keys(Disk& disk, crypto::Keyring keyring, std::vector<std::string> paths)
    : disk_(disk), paths_(std::move(paths)), keyring_(std::move(keyring)) {}

Result<std::shared_ptr<const crypto::SecretKey>> Keys::container_key(ContainerId container,
                                                                     KeyId key) {
    MutexLock lock(mutex_);
    auto& slot = opened_[{container, key}];
    if (!slot) {
        const crypto::SecretKey* found = keyring_.container_key(container, key);
        if (!found) {
            opened_.erase({container, key});
            return Error(Errc::kCorrupt, fmt::format("the keyring has no key {} of container {}",
                                                     key.value(), container.value()));
        }
        slot = std::make_shared<const crypto::SecretKey>(found->clone());
    }
    return slot;
}

Result<Keys::Newest> Keys::newest_key(ContainerId container) {
    KeyId id;
    {
        MutexLock lock(mutex_);
        if (!keyring_.newest_container_key(container, &id))
            return Error(Errc::kCorrupt,
                         fmt::format("the keyring has no key of container {}", container.value()));
    }
    RF_TRY(auto key, container_key(container, id));
    return Newest{id, std::move(key)};
}

Result<void> Keys::add_container(ContainerId container) {
    MutexLock lock(mutex_);
    keyring_.add_container_key(container);
    if (auto saved = save(); !saved) {
        keyring_.remove_container(container);
        return std::move(saved).error().with("save the keyring");
    }
    return done();
}

std::vector<KeyId> Keys::keys_of(ContainerId container) const {
    MutexLock lock(mutex_);
    std::vector<KeyId> ids;
    KeyId newest;
    if (!keyring_.newest_container_key(container, &newest)) return ids;
    for (KeyId id{1}; id <= newest; id = KeyId(id.value() + 1))
        if (keyring_.container_key(container, id)) ids.push_back(id);
    return ids;
}

Result<KeyId> Keys::rotate(ContainerId container) {
    MutexLock lock(mutex_);
    if (!keyring_.newest_container_key(container, nullptr))
        return Error(Errc::kNotFound,
                     fmt::format("the keyring has no key of container {}", container.value()));
    const KeyId fresh = keyring_.add_container_key(container);
    // Nothing is sealed under it before all copies have it, so it can be taken back.
    if (auto saved = save(); !saved) {
        keyring_.take_back_container_key(container, fresh);
        return std::move(saved).error().with("save the keyring");
    }
    return fresh;
}

Result<void> Keys::keep_newest(ContainerId container) {
    const std::vector<KeyId> ids = keys_of(container);
    MutexLock lock(mutex_);
    for (std::size_t i = 0; i + 1 < ids.size(); ++i) {
        RF_CHECK(keyring_.remove_container_key(container, ids[i]));
        opened_.erase({container, ids[i]});
    }
    return ids.size() > 1 ? save() : done();
}

Result<void> Keys::remove_container(ContainerId container) {
    MutexLock lock(mutex_);
    keyring_.remove_container(container);
    std::erase_if(opened_, [&](const auto& item) { return item.first.first == container; });
    return save();
}

Result<void> Keys::keep_only(const std::vector<ContainerId>& known) {
    MutexLock lock(mutex_);
    bool changed = false;
    for (ContainerId container : keyring_.containers()) {
        if (std::find(known.begin(), known.end(), container) != known.end()) continue;
        keyring_.remove_container(container);
        changed = true;
    }
    return changed ? save() : done();
}

std::vector<crypto::SlotKind> Keys::slots() const {
    MutexLock lock(mutex_);
    return keyring_.slots();
}

Result<std::optional<std::size_t>> Keys::change_slots(const KeySlotChange& change) {
    MutexLock changing(changing_);
    // Whoever may talk to us is not thereby one who has the key. Opening takes as long as the slots
    // make it take, so it is done before the lock that others need.
    RF_TRY(const auto bytes, copy());
    RF_TRY(crypto::Keyring proven, crypto::Keyring::open(bytes, change.proof));
    std::optional<std::size_t> gone = change.remove;
    if (change.remove_own) gone = proven.opened_slot();
    std::optional<std::size_t> added;
    if (change.add) {
        RF_TRY(added, proven.add_slot(*change.add, change.cost));
    }

    MutexLock lock(mutex_);
    if (gone &&
        (*gone >= crypto::kKeyringSlots || keyring_.slots()[*gone] == crypto::SlotKind::kEmpty))
        return Error(Errc::kNotFound, fmt::format("key slot {} is not in use", *gone));
    // The new one is in every copy before the old one leaves any: wherever this ends, one of them
    // opens every copy.
    if (added) {
        RF_CHECK(keyring_.take_slot(proven, *added));
        if (auto saved = save(); !saved) {
            take_back(proven, added, {});
            return not_saved(saved.error());
        }
    }
    if (gone) {
        RF_CHECK(keyring_.remove_slot(*gone));
        if (auto saved = save(); !saved) {
            take_back(proven, added, gone);
            return not_saved(saved.error());
        }
    }
    return added;
}

void Keys::take_back(const crypto::Keyring& proven, std::optional<std::size_t> added,
                     std::optional<std::size_t> gone) {
    // In this order: one slot must always be left.
    Result<void> undone = gone ? keyring_.take_slot(proven, *gone) : done();
    if (undone && added) undone = keyring_.remove_slot(*added);
    // Copies that have the change already lose it again, now or with the next save.
    if (undone) undone = save();
    if (!undone) log::error("take back a change of key slots: {}", undone.error().message());
}

Result<std::vector<std::byte>> Keys::copy() {
    MutexLock lock(mutex_);
    return keyring_.encode();
}

Result<void> Keys::save() {
    // Rare (a container made or deleted), so the lock is held across it: the order of generations
    // is the order on disk.
    RF_TRY(auto bytes, keyring_.encode());
    for (const std::string& path : paths_) RF_CHECK(replace_file(disk_, path, bytes));
    return done();
}

StoreId Keys::store_id() const {
    MutexLock lock(mutex_);
    return keyring_.store_id();
}

crypto::SecretKey Keys::page_key() const {
    MutexLock lock(mutex_);
    return keyring_.page_key();
}

crypto::SecretKey Keys::access_key() const {
    MutexLock lock(mutex_);
    return keyring_.access_key();
}

std::vector<crypto::Zone> Keys::zones() const {
    MutexLock lock(mutex_);
    return keyring_.zones();
}

Result<crypto::Keyring> load_keyring(Disk& disk, const std::string& path,
                                     const crypto::Unlock& unlock) {
    auto first_bytes = read_file(disk, path, crypto::kKeyringBytesMax);
    if (!first_bytes) {
        if (first_bytes.error().code() == Errc::kNotFound)
            return Error(
                Errc::kNotFound,
                fmt::format("{} holds no reelfs store (no keyring); `reelfs init` makes one",
                            path.substr(0, path.rfind('/'))));
        return std::move(first_bytes).error();
    }
    RF_TRY(crypto::Keyring keyring, crypto::Keyring::open(*first_bytes, unlock));
    // Another zone may hold a newer copy: a crash while copies were written, or a disk put back
    // from a backup.
    const std::vector<crypto::Zone> zones = keyring.zones();
    for (const crypto::Zone& zone : zones) {
        if (zone.path.empty()) continue;
        auto bytes = read_file(disk, zone.path + "/keyring", crypto::kKeyringBytesMax);
        if (!bytes) {
            return Error(Errc::kNotFound,
                         fmt::format("zone {} is missing: {} (mount that disk, then try again)",
                                     zone.path, bytes.error().message()));
        }
        const auto head = crypto::Keyring::peek(*bytes);
        if (head && head->store != keyring.store_id())
            return Error(Errc::kNotFound,
                         fmt::format("zone {} holds the keyring of another store ({}): mount the "
                                     "right disk there, then try again",
                                     zone.path, head->store.hex()));
        auto other = crypto::Keyring::open(*bytes, unlock);
        if (!other && other.error().code() == Errc::kWrongKey && head &&
            head->generation > keyring.generation())
            return std::move(other).error().with(
                fmt::format("the keyring in zone {} is newer than that of the store, and has keys "
                            "that must not be lost",
                            zone.path));
        if (!other) {
            log::warning("the keyring copy in zone {} cannot be used: {}", zone.path,
                         other.error().message());
            continue;
        }
        if (other->generation() > keyring.generation()) keyring = std::move(*other);
    }
    return keyring;
}

}  // namespace reelfs::core
