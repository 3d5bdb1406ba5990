// A disk in memory that knows what a power cut may take. One lock inside, so all calls are
// thread-safe; everything random comes from the Random given, so a seed repeats a run (as long as
// one thread makes the calls).
//
// Model
//  - A file has volatile content (what reads see), durable content, and the changes between them in
//    order. sync() makes durable every change whose call had returned before sync() was called, and
//    no other. It does not make the file's name durable.
//  - Creations, renames and removals are durable after sync_directory() of the directory they
//    touched, which does not make that directory's own name durable.
//  - At a power cut each 4 KiB page of a file is, on its own, as it was after some number of the
//    unsynced writes to it (a later write to a page brings earlier ones along, as in a page cache);
//    size, truncations and punches are at one point of the file's history (a journal). Directory
//    operations survive as a prefix per directory; a rename between two directories is atomic.
//  - After a failed sync() the pending changes are never made durable by a later one; reads show
//    them until drop_cache() (Linux marks such pages clean).
// This is ext4 with data=ordered, but harsher: there fdatasync of a new file also commits its name,
// fsync of a directory commits everything older, all directories share one order, and a size never
// runs ahead of data except after fallocate.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "reelfs/base/disk.h"
#include "reelfs/base/random.h"

namespace reelfs::test {

/// What the power cut leaves of everything not synced.
enum class Crash {
    kSynced,   // nothing
    kWritten,  // everything
    kSubset,   // pages and directory operations by chance
    kTorn,     // all up to a random moment, the write of that moment cut at 512 B or 4 KiB
    kZeros,    // sizes and names, but no data: new bytes read as zero, old ones as they were
    kMixed,    // each file by chance one of the above
};
inline constexpr std::array kEveryCrash{Crash::kSynced, Crash::kWritten, Crash::kSubset,
                                        Crash::kTorn,   Crash::kZeros,   Crash::kMixed};

/// A change that is not durable yet.
struct Pending {
    std::uint64_t sequence = 0;           // rises from change to change
    std::vector<std::uint64_t> pages{0};  // of a write to a file: those it touches
    std::uint64_t offset = 0;             // of a write to a file, else 0
    std::uint64_t length = 0;
};

/// What a power cut leaves, said exactly instead of by chance.
struct Cut {
    /// Whether a change took effect: of a write, for each of its pages; of anything else, for page
    /// 0. What the model in the head forbids is mended: an older write to a page comes along, and a
    /// directory's operations end at the first that is lost.
    std::function<bool(std::uint64_t sequence, std::uint64_t page)> kept;
    /// Files have the sizes they had at the cut, whatever data was lost; otherwise those of the
    /// newest change kept.
    bool sizes_ahead = false;
    /// Of this write no more than its first `torn_bytes` took effect.
    std::uint64_t torn = 0;  // a sequence number; 0: none
    std::uint64_t torn_bytes = 0;
};

enum class DiskCall {
    kOpen,
    kRead,
    kWrite,
    kSync,
    kSize,
    kTruncate,
    kPunch,
    kAllocate,
    kExists,
    kMakeDirectory,
    kList,
    kRename,
    kRemove,
    kRemoveDirectory,
    kSyncDirectory,
    kSpace,
};
inline constexpr std::size_t kDiskCalls = static_cast<std::size_t>(DiskCall::kSpace) + 1;

struct CallInfo {
    DiskCall kind;
    std::string path;
    std::uint64_t offset = 0;  // of reads, writes, punches
    std::uint64_t length = 0;
    std::uint64_t nth = 0;          // among all calls, from 1
    std::uint64_t nth_of_kind = 0;  // from 1
};

struct DiskFault {
    Errc code = Errc::kIo;
    std::uint64_t written_bytes = 0;  // a write that fails gets this far first
    bool power_cut = false;           // a sync that fails does not forget what was pending
};

class SimDisk final : public Disk {
  public:
    /// Asked at the start of each call, with no lock held: it may block, which is how a test holds
    /// a write in flight. What it answers makes the call fail.
    using Hook = std::function<std::optional<DiskFault>(const CallInfo&)>;

    /// An empty root directory on one volume of `capacity_bytes`.
    explicit SimDisk(std::uint64_t capacity_bytes = std::uint64_t{1} << 40);
    ~SimDisk() override;

    /// Makes a directory and its parents, durable at once: the machine as it was set up.
    void prepare(const std::string& path);
    /// prepare(path), and a volume of its own for what is made beneath.
    void add_volume(const std::string& path, std::uint64_t capacity_bytes);

    /// From now on, here and on disks made of this one, allocate() only extends sizes: what it
    /// reserves takes no memory, nor room on the volume. For tests that copy disks by the thousand.
    void set_thin();
    void set_hook(Hook hook);
    /// The n-th call of this kind from now on fails, once (n from 1). Replaces the hook.
    void fail_nth(DiskCall kind, std::uint64_t n, DiskFault fault = {});
    /// From the n-th call of any kind from now on, every call fails with kIo: the power is gone,
    /// and crash() shows what may be left. Replaces the hook.
    void cut_power_at(std::uint64_t n);
    std::uint64_t calls(DiskCall kind) const;
    std::uint64_t calls() const;
    /// Files open at this moment.
    std::size_t open_files() const;

    /// The disk as another machine would find it after a power cut now. This one is not changed.
    std::unique_ptr<SimDisk> crash(Crash choice, Random& random) const;
    /// What a power cut now may lose, oldest first.
    std::vector<Pending> pending() const;
    /// The disk after exactly this cut. This one is not changed.
    std::unique_ptr<SimDisk> crash(const Cut& cut) const;
    /// Equal for disks with the same names and the same bytes in their files, and for no others.
    /// Ignores what is not durable of names; of contents it sees what reads see.
    std::uint64_t fingerprint(const std::string& below = "/") const;
    /// The disk after the process died: all that was written is there, synced or not, and may still
    /// be lost by a later crash(). This one is not changed.
    std::unique_ptr<SimDisk> kill() const;

    /// Changes bytes inside a file behind everybody's back: the medium decayed, or was tampered
    /// with. The file must exist, the range lie in it, and the bytes differ from those there.
    void damage(const std::string& path, std::uint64_t offset, Bytes bytes);
    /// Damages one byte, whatever it is, by changing the bits of `mask`, which must not be 0.
    /// Twice is as before.
    void flip(const std::string& path, std::uint64_t offset, std::byte mask = std::byte{0x10});

    Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override;
    Result<bool> exists(const std::string& path) override;
    Result<void> make_directory(const std::string& path) override;
    Result<std::vector<std::string>> list(const std::string& path) override;
    Result<void> rename(const std::string& source, const std::string& target) override;
    Result<void> remove(const std::string& path) override;
    Result<void> remove_directory(const std::string& path) override;
    Result<void> sync_directory(const std::string& path) override;
    Result<DiskSpace> space(const std::string& path) override;

    struct State;

  private:
    explicit SimDisk(std::shared_ptr<State> state);
    const std::shared_ptr<State> state_;
};

}  // namespace reelfs::test
