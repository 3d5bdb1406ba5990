// A container as plain files: every name, with modes, owners, times, extended attributes, hard
// links and holes, given to a sink that makes a directory or a tar archive of it. The container may
// be in use; each file is what it is when its turn comes.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "reelfs/core/job.h"
#include "reelfs/core/tree.h"

namespace reelfs::app {

using Xattrs = std::vector<std::pair<std::string, std::vector<std::byte>>>;

/// GNU tar begins each run of a sparse file in a block of its own, and takes them to end with it.
inline constexpr std::uint64_t kRunUnit = 512;

/// A name on its way out. `path` is relative, "" for the container's own folder.
struct Exported {
    std::string path;
    Attributes attributes;
    Xattrs xattrs;
    std::string target;   // of a symbolic link
    std::string link_to;  // the path under which this node went out before, or ""
    /// Of a file: the runs that hold bytes, in order and apart, from a multiple of kRunUnit to
    /// another one or to the file's end.
    std::vector<std::pair<std::uint64_t, std::uint64_t>> runs;
};

/// Where it goes. A folder comes before what is in it. Not thread-safe.
class ExportSink {
  public:
    virtual ~ExportSink() = default;
    /// Then, for a file with runs that is not linked, data() for all bytes of them, in order; then
    /// end(). False: it cannot be made here, which is one of the problems; neither these follow,
    /// nor what is in it.
    virtual Result<bool> begin(const Exported& entry) = 0;
    virtual Result<void> data(std::uint64_t offset, Bytes bytes) = 0;
    virtual Result<void> end() = 0;
    /// After the last one.
    virtual Result<void> finish() = 0;
    /// What could not be kept, one line each.
    virtual std::vector<std::string> problems() const = 0;
};

/// Into a directory that does not exist or is empty.
Result<std::unique_ptr<ExportSink>> export_to_directory(const std::string& path);
/// A pax archive (POSIX.1-2001, with GNU's form of sparse files), as GNU tar reads it. To a new
/// file, which goes again with a sink that has not finished; or to a FIFO that somebody reads.
/// While a reader takes its time, `job` can be cancelled.
Result<std::unique_ptr<ExportSink>> export_to_tar(const std::string& path, core::Job& job);

struct ExportReport {
    std::uint64_t entries = 0;
    std::uint64_t bytes = 0;
    std::vector<std::string> problems;
};
/// kNotFound: no such container. Files that cannot be read are problems, not errors; those that are
/// removed meanwhile are neither.
Result<ExportReport> export_container(core::Tree& tree, const std::string& container,
                                      ExportSink& sink, core::Job& job);

}  // namespace reelfs::app
