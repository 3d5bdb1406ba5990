// A Disk over another that it never writes to: what is written, made, renamed or removed stays in
// memory and is seen through this Disk only. A check opens a store through it, so that recovery
// runs and nothing is changed.
//
// Syncs succeed at once. Directories can be made and removed, not renamed. Thread-safe: one lock
// for the names, one for each file's changes, none across another. Memory: 4 KiB for each page
// written, a map entry for each page punched.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>

#include "reelfs/base/disk.h"
#include "reelfs/base/mutex.h"

namespace reelfs {

class OverlayDisk final : public Disk {
  public:
    /// `base` must outlive it and every file opened through it.
    explicit OverlayDisk(Disk& base);
    ~OverlayDisk() override;

    Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override;
    Result<bool> exists(const std::string& path) override;
    Result<void> make_directory(const std::string& path) override;
    Result<std::vector<std::string>> list(const std::string& path) override;
    Result<void> rename(const std::string& source, const std::string& target) override;
    Result<void> remove(const std::string& path) override;
    Result<void> remove_directory(const std::string& path) override;
    Result<void> sync_directory(const std::string& path) override;
    Result<DiskSpace> space(const std::string& path) override;

    class Content;
    /// From now on this content differs from what is below: it stays, open or not.
    void keep(const std::shared_ptr<Content>& content) EXCLUDES(mutex_);

  private:
    /// What this path is here, where that is not what it is below.
    struct Name {
        std::shared_ptr<Content> file;  // null: a directory, or gone
        bool directory = false;
    };
    /// The file behind a path, from below if need be; null when there is none.
    Result<std::shared_ptr<Content>> find(const std::string& path) REQUIRES(mutex_);
    Result<bool> is_there(const std::string& path) REQUIRES(mutex_);

    Disk& base_;
    Mutex mutex_;
    std::map<std::string, Name> names_ GUARDED_BY(mutex_);
    /// Those open at this moment that are not in names_: all who open one meet at the same changes.
    /// A store has more packs than a process may have files, so these do not stay.
    std::map<std::string, std::weak_ptr<Content>> opened_ GUARDED_BY(mutex_);
    std::set<std::shared_ptr<Content>> kept_ GUARDED_BY(mutex_);
};

}  // namespace reelfs
