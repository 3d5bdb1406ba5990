// A store on a simulated disk, opened through core as the daemon does, with small key costs and no
// background thread unless asked for.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "reelfs/core/volume.h"
#include "support/seeded_random.h"
#include "support/sim_disk.h"

namespace reelfs::test {

/// A clock that a test moves.
class ManualClock final : public Clock {
  public:
    Timestamp now() const override { return {now_.load()}; }
    std::int64_t monotonic_ns() const override { return now_.load(); }
    void advance_ms(std::int64_t ms) { now_ += ms * 1'000'000; }

  private:
    mutable std::atomic<std::int64_t> now_{1'700'000'000'000'000'000};
};

/// Whoever asks without a key from this machine.
inline constexpr AnonymousPeer kHere{
    .peer_is_loopback = true, .host_is_local = true, .forwarded = false};
/// Where tests of backups write them.
inline const std::string kBackup = "/data/backup";
/// For uploads of whose hash nobody asks.
inline const std::vector<std::byte> kAnyHash(32, std::byte{0xab});

inline crypto::Unlock test_key() {
    return crypto::KeyFile{std::vector<std::byte>(32, std::byte{7})};
}

template <class T>
T must(Result<T> result) {
    if (!result.ok()) {
        ADD_FAILURE() << result.error().message();
        std::abort();
    }
    return std::move(result).value();
}
inline void must(Result<void> result) {
    if (!result.ok()) {
        ADD_FAILURE() << result.error().message();
        std::abort();
    }
}

/// Counts what a door in front of a cache is told.
class Listener final : public core::ChangeListener {
  public:
    void entry_changed(NodeId, std::string_view name) override { told += std::string(name) + " "; }
    void content_changed(NodeId) override { told += "* "; }
    void flush() override { told += "| "; }
    std::string told;
};

/// A store in /data/store, durable with its name.
inline void create_test_store(SimDisk& disk, const core::Environment& environment) {
    core::CreateOptions create;
    create.directory = "/data/store";
    create.unlock = test_key();
    must(core::create_store(environment, create));
    must(disk.sync_directory("/data"));
}

/// A disk, a store on it, and the volume opened on that store.
class StoreRig {
  public:
    /// `clock`: another than the rig's own, which only a test moves.
    explicit StoreRig(SeededRandom& random, std::uint64_t capacity_bytes = std::uint64_t{1} << 40,
                      Clock* clock = nullptr)
        : random_(random), other_clock_(clock), disk_(std::make_unique<SimDisk>(capacity_bytes)) {
        disk_->prepare("/data");
        create_test_store(*disk_, environment());
        open();
    }
    ~StoreRig() { volume_.reset(); }

    core::Tree& tree() { return volume_->tree(); }
    core::Volume& volume() { return *volume_; }
    SimDisk& disk() { return *disk_; }
    ManualClock& clock() { return clock_; }
    SeededRandom& random() { return random_; }
    std::int64_t background_ms = 0;  // of the next open; 0: no background work
    core::Environment environment() {
        Clock& own = clock_;
        return {*disk_, random_, other_clock_ != nullptr ? *other_clock_ : own};
    }

    Result<void> try_open() {
        core::OpenOptions options;
        options.directory = "/data/store";
        options.unlock = test_key();
        options.memory_bytes = 64 << 20;
        options.background_barrier_ms = background_ms;
        RF_TRY(volume_, core::open_store(environment(), options));
        return done();
    }
    void open() { must(try_open()); }
    void close() {
        must(volume_->close());
        volume_.reset();
    }
    void reopen() {
        close();
        open();
    }
    /// kill -9: what was written is in the page cache; then a new start.
    void kill() {
        auto after = disk_->kill();
        replace_disk(std::move(after));
    }
    /// Power cut, then a new start.
    void crash(Crash choice) {
        auto after = disk_->crash(choice, random_);
        replace_disk(std::move(after));
    }

    NodeId container(std::string_view name = "c") {
        auto found = tree().lookup(kRootNode, name);
        if (found) return found->node;
        return must(tree().create_container({}, name,
                                            {.mode = 0755, .block_bytes = {}, .profile = {}}))
            .root;
    }
    std::shared_ptr<core::OpenFile> create(NodeId parent, std::string_view name) {
        return must(tree().create({}, parent, name, 0644, {.read = true, .write = true})).file;
    }
    void put(NodeId parent, std::string_view name, Bytes bytes) {
        auto file = create(parent, name);
        must(tree().write({}, *file, 0, bytes));
        must(tree().flush(*file));
        tree().release(file);
    }
    /// All of it, as cp does: shared.
    void copy(NodeId parent, std::string_view source, std::string_view target) {
        auto from = must(tree().open(must(tree().lookup(parent, source)).node, {.read = true}));
        auto to = create(parent, target);
        must(tree().copy_range({}, *from, 0, *to, 0, UINT64_MAX / 2));
        must(tree().flush(*to));
        tree().release(from);
        tree().release(to);
    }
    std::vector<std::byte> content(NodeId node) {
        auto file = must(tree().open(node, {.read = true}));
        std::vector<std::byte> bytes(must(tree().attributes(node)).size);
        EXPECT_EQ(must(tree().read(*file, 0, bytes)), bytes.size());
        tree().release(file);
        return bytes;
    }
    std::vector<std::byte> content(NodeId parent, std::string_view name) {
        return content(must(tree().lookup(parent, name)).node);
    }
    std::vector<std::byte> noise(std::size_t size) {
        std::vector<std::byte> bytes(size);
        random_.fill(bytes);
        return bytes;
    }

    /// What a crash has left, not opened.
    void replace_disk_closed(std::unique_ptr<SimDisk> after) {
        volume_.reset();
        disk_ = std::move(after);
    }
    /// A new start on what a crash has left.
    void replace_disk(std::unique_ptr<SimDisk> after) {
        volume_.reset();  // what it still writes goes to the disk that nobody looks at any more
        disk_ = std::move(after);
        open();
    }

  private:
    SeededRandom& random_;
    Clock* const other_clock_;
    ManualClock clock_;
    std::unique_ptr<SimDisk> disk_;
    std::unique_ptr<core::Volume> volume_;
};

}  // namespace reelfs::test
