// The tree: what every door calls. POSIX semantics of names, attributes and content over catalog
// and content; permission bits are the kernel's business on the mount (default_permissions) and
// policy's over HTTP.
//
// Threads: every call is thread-safe and may block on disk, so network threads go through a pool.
// No callback of the caller's runs under a lock of the tree. Ownership: handles (OpenFile,
// OpenDirectory, ObjectReader) are shared_ptr; they pin what they refer to, also after it was
// unlinked or replaced. Errors are those of POSIX for the operation (see base/error.h).
//
// Durability: metadata operations and flush() survive kill -9 when they return; fsync(), sync()
// survive power loss.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "reelfs/base/bytes.h"
#include "reelfs/base/pins.h"
#include "reelfs/base/result.h"
#include "reelfs/core/items.h"
#include "reelfs/core/upload.h"
#include "reelfs/model/attributes.h"
#include "reelfs/model/caller.h"
#include "reelfs/model/cors.h"
#include "reelfs/model/delivery.h"
#include "reelfs/model/document.h"
#include "reelfs/model/names.h"
#include "reelfs/model/principal.h"
#include "reelfs/model/quota.h"

namespace reelfs::core {

class OpenFile;       // a file opened for reading, writing or both
class OpenDirectory;  // a position-keeping listing

struct OpenFlags {
    bool read = false;
    bool write = false;
    bool append = false;
    bool truncate = false;
    bool sync = false;              // O_SYNC or O_DSYNC: every write is an fsync
    bool drops_privileges = false;  // with truncate; as Caller's
    bool by_group_member = false;   // with that: whether the caller belongs to the file's group
};

/// What to change; absent means keep. Times: a value, or now.
struct AttributeChange {
    std::optional<std::uint32_t> mode;
    std::optional<std::uint32_t> uid;
    std::optional<std::uint32_t> gid;
    std::optional<std::uint64_t> size;
    std::optional<Timestamp> accessed;
    std::optional<Timestamp> modified;
    bool accessed_now = false;
    bool modified_now = false;
};

struct Created {
    Attributes attributes;
    std::shared_ptr<OpenFile> file;
};

struct NewNode {
    NodeType type = NodeType::kFile;
    std::uint32_t mode = 0;    // permission bits as asked for, see Tree: names
    std::uint64_t device = 0;  // device nodes
};

enum class RenameMode { kReplace, kNoReplace, kExchange };
enum class XattrMode { kSet, kCreate, kReplace };
/// What becomes of sgid when a file gets an access control list: Linux takes it away when the
/// caller is not in the file's group and has no privilege.
enum class SetGid { kKeep, kClear };
enum class SeekTo { kData, kHole };
enum class AllocateMode { kAllocate, kKeepSize, kPunchHole, kZeroRange, kZeroRangeKeepSize };

struct Space {
    std::uint64_t total_bytes = 0;
    std::uint64_t free_bytes = 0;
    std::uint64_t nodes = 0;
    std::optional<std::uint64_t> free_nodes;  // nothing: they end with the bytes
};

struct ContainerInfo {
    ContainerId container;
    std::string name;
    NodeId root;
    Timestamp created;
    std::uint32_t block_bytes = 0;
    std::string endpoint_id;
    std::string profile;
    Quota quota;
    Usage used;
};

/// What is not named stays.
struct QuotaChange {
    std::optional<std::optional<std::uint64_t>> bytes;
    std::optional<std::optional<std::uint64_t>> objects;
    bool operator==(const QuotaChange&) const = default;
};

struct ContainerOptions {
    std::uint32_t mode = 0755;
    std::optional<std::uint32_t> block_bytes;
    std::string profile;
};

/// Told after a change has been published through a door other than the one that listens, outside
/// all locks, in order. Implemented by the mount, which invalidates the kernel's caches. Must not
/// call the tree.
class ChangeListener {
  public:
    virtual ~ChangeListener() = default;
    virtual void entry_changed(NodeId parent, std::string_view name) = 0;
    virtual void content_changed(NodeId node) = 0;
    /// Returns when everything told before has taken effect. Never called by what the listener's
    /// own door asks for.
    virtual void flush() = 0;
};

/// What HTTP reads: one version of one file. For a finished file: a snapshot whose bytes never
/// change while it is held. For a growing one: the file as it grows. Letting go of it never blocks.
class ObjectReader {
  public:
    virtual ~ObjectReader() = default;

    struct State {
        std::uint64_t size = 0;  // bytes readable now
        bool growing = false;    // more may come
        bool cut =
            false;  // published bytes changed, or the writer failed: end this response abnormally
    };
    virtual const Attributes& attributes() const = 0;  // as of the open
    virtual ETag etag() const = 0;                     // none() while growing
    virtual std::string mime_type() const = 0;         // user.mime_type, or ""
    virtual std::string cache_control() const = 0;     // user.cache_control, or ""
    virtual Delivery delivery() const = 0;             // by the container's rules
    virtual State state() const = 0;
    /// Somebody has the file open for writing now: what it holds may be half of what is meant.
    virtual bool being_written() const = 0;
    /// Appends bytes [offset, offset + length), which exist, to `out`. May block on disk.
    /// kCancelled once cut.
    virtual Result<void> read(std::uint64_t offset, std::size_t length, Pins& out) = 0;
    /// From memory only, and never blocks: false, and `out` as it was, when a byte is not there.
    virtual bool read_cached(std::uint64_t offset, std::size_t length, Pins& out) = 0;
    /// Calls `wake` once, from any thread, when state().size exceeds `size`, or growing ended, or
    /// it was cut; at once if so already. Dropping the returned token cancels (after the drop has
    /// returned `wake` does not run).
    virtual std::shared_ptr<void> wait_beyond(std::uint64_t size, std::function<void()> wake) = 0;
    /// Whoever reads for long calls this from time to time: what others freed before is then no
    /// longer kept on the disk for this reader. False: what it reads is itself no longer there for
    /// anybody else (changed, replaced, without a name), and stays until it lets go. Beside a
    /// read().
    virtual bool renew() = 0;
};

class Tree {
  public:
    virtual ~Tree() = default;

    // Names. What is made gets the bits asked for, less the caller's umask; or what the parent's
    // default access control list makes of them, and then the umask counts for nothing.
    virtual Result<Attributes> lookup(NodeId parent, std::string_view name) = 0;
    virtual Result<Attributes> attributes(NodeId node) = 0;
    virtual Result<NodeId> parent_of(NodeId directory) = 0;
    /// Follows names from `from`; symlinks are not followed.
    virtual Result<Attributes> resolve(NodeId from, const Components& path) = 0;
    virtual Result<Attributes> make_directory(const Caller& caller, NodeId parent,
                                              std::string_view name, std::uint32_t mode) = 0;
    /// A file, FIFO, socket or device.
    virtual Result<Attributes> make_node(const Caller& caller, NodeId parent, std::string_view name,
                                         const NewNode& what) = 0;
    virtual Result<Attributes> make_symlink(const Caller& caller, NodeId parent,
                                            std::string_view name, std::string_view target) = 0;
    /// Creates and opens; kExists when the name is taken.
    virtual Result<Created> create(const Caller& caller, NodeId parent, std::string_view name,
                                   std::uint32_t mode, OpenFlags flags) = 0;
    virtual Result<Attributes> link(NodeId node, NodeId parent, std::string_view name) = 0;
    virtual Result<void> unlink(NodeId parent, std::string_view name) = 0;
    virtual Result<void> remove_directory(NodeId parent, std::string_view name) = 0;
    virtual Result<void> rename(NodeId source_parent, std::string_view source_name,
                                NodeId target_parent, std::string_view target_name,
                                RenameMode mode) = 0;
    virtual Result<std::string> read_link(NodeId node) = 0;
    /// `file` when the change came through an open handle (ftruncate).
    virtual Result<Attributes> change(const Caller& caller, NodeId node,
                                      const AttributeChange& change) = 0;

    // Numbers. A kernel that keeps them says which nodes it knows (FUSE's lookup counts). A file
    // that is replaced while it is known, by a rename or an upload, stays, without a name, until it
    // has been forgotten as often as it was remembered; or until its container's quota needs the
    // room. What is removed while it is known can be asked for its attributes, and a directory be
    // listed, until then.
    /// lookup(); and the kernel knows what was found, from before anybody can replace it.
    virtual Result<Attributes> lookup_and_remember(NodeId parent, std::string_view name) = 0;
    /// Another way by which it comes to know a node, whether or not that is there any more.
    virtual void remember(NodeId node) = 0;
    virtual void forget(NodeId node, std::uint64_t times) = 0;
    virtual void forget_all() = 0;  // the kernel has gone

    // Directories. Offsets are positions after an entry; 0 is the start. "." and ".." are entries
    // of the listing.
    struct Listed {
        std::string_view name;
        NodeId node;
        NodeType type;
        std::uint64_t next_offset;
        const Attributes* attributes;  // null for "." and "..", and when not asked for
    };
    virtual Result<std::shared_ptr<OpenDirectory>> open_directory(NodeId node) = 0;
    /// Calls `take` for entries from `offset` on until it returns false or the end is reached.
    virtual Result<void> list(OpenDirectory& directory, std::uint64_t offset, bool with_attributes,
                              const std::function<bool(const Listed&)>& take) = 0;

    // Content
    virtual Result<std::shared_ptr<OpenFile>> open(NodeId node, OpenFlags flags) = 0;
    virtual NodeId node_of(const OpenFile& file) const = 0;
    /// Whether it grows through HTTP now (Attributes::grows_elsewhere).
    virtual bool grows_elsewhere(const OpenFile& file) const = 0;
    /// Up to out.size() bytes; fewer only at the end of the file.
    virtual Result<std::size_t> read(OpenFile& file, std::uint64_t offset, MutableBytes out) = 0;
    virtual Result<void> write(const Caller& caller, OpenFile& file, std::uint64_t offset,
                               Bytes bytes) = 0;
    /// For each close(2): what was written through this handle survives kill -9 afterwards, or the
    /// error is told here.
    virtual Result<void> flush(OpenFile& file) = 0;
    virtual Result<void> fsync(OpenFile& file) = 0;
    /// The last reference is gone. The handle must not be used after.
    virtual void release(std::shared_ptr<OpenFile> file) = 0;
    virtual Result<void> allocate(const Caller& caller, OpenFile& file, AllocateMode mode,
                                  std::uint64_t offset, std::uint64_t length) = 0;
    virtual Result<std::uint64_t> seek(OpenFile& file, SeekTo what, std::uint64_t offset) = 0;
    /// Copies without moving content: the target names the source's extents from then on (pieces
    /// below a block are copied). Bytes copied; fewer at the source's end. kCrossDevice between
    /// containers; kInvalid when ranges of one file overlap.
    virtual Result<std::uint64_t> copy_range(const Caller& caller, OpenFile& source,
                                             std::uint64_t source_offset, OpenFile& target,
                                             std::uint64_t target_offset, std::uint64_t length) = 0;

    // Extended attributes. Access control lists (system.posix_acl_*) are kept in step with the
    // mode: one that says no more than a mode becomes the mode.
    virtual Result<std::vector<std::byte>> get_xattr(NodeId node, std::string_view name) = 0;
    virtual Result<std::vector<std::string>> list_xattrs(NodeId node) = 0;
    virtual Result<void> set_xattr(NodeId node, std::string_view name, Bytes value, XattrMode mode,
                                   SetGid sgid = SetGid::kKeep) = 0;
    virtual Result<void> remove_xattr(NodeId node, std::string_view name) = 0;

    // The whole
    /// As statfs(2) tells it for a node: of a container with a quota what that leaves.
    virtual Result<Space> space(NodeId at) = 0;
    Result<Space> space() { return space(kRootNode); }
    /// fsync of a directory: its entries and everything committed before are durable.
    virtual Result<void> sync_metadata() = 0;
    /// Everything acknowledged so far, through any door, is durable.
    virtual Result<void> sync() = 0;

    // Containers
    virtual Result<ContainerInfo> create_container(const Caller& caller, std::string_view name,
                                                   const ContainerOptions& options) = 0;
    virtual Result<std::vector<ContainerInfo>> containers() = 0;
    virtual Result<ContainerInfo> container(std::string_view name) = 0;
    /// Counts from now on. A container may hold more than a new quota: only what adds is refused.
    virtual Result<ContainerInfo> set_quota(std::string_view name, const QuotaChange& change) = 0;
    virtual Result<void> delete_container(std::string_view name) = 0;

    // Documents of containers: a JSON text of each kind. kNotFound: no such container.
    /// In place of the one of its kind; in force, and durable, when it returns. kInvalid: it does
    /// not say what a document of this kind says.
    virtual Result<void> put_document(std::string_view container, DocumentKind kind,
                                      std::string_view body) = 0;
    /// As it was put.
    virtual Result<std::optional<std::string>> document(std::string_view container,
                                                        DocumentKind kind) = 0;
    /// Whether there was one.
    virtual Result<bool> delete_document(std::string_view container, DocumentKind kind) = 0;
    // These two are answered from memory, and never block.
    /// What a container's cors document says to a web page. A container that is not there has none.
    virtual CorsDecision decide_cors(std::string_view container,
                                     const CorsRequest& request) const = 0;
    /// The name of the container with this endpoint id.
    virtual std::optional<std::string> container_at(std::string_view endpoint_id) const = 0;

    // Objects over HTTP
    /// Resolves, decides (policy), opens. Symlinks as the design says (relative, inside the
    /// container, at most 8 hops). kAccessDenied whether or not it exists when the request may not;
    /// kNotFound (also for what is no file); kLoop.
    virtual Result<std::shared_ptr<ObjectReader>> open_object(const AccessRequest& request,
                                                              std::string_view container,
                                                              const Components& path) = 0;
    /// The same; and calls `wake` once, from any thread, as soon as the answer may be another one:
    /// when a name on the way has been given or taken, or the file's last writer has gone. Nothing
    /// that happens from the call on is missed. Dropping the token cancels (after the drop has
    /// returned `wake` does not run); it must go before the tree does.
    struct WatchedObject {
        Result<std::shared_ptr<ObjectReader>> opened;
        std::shared_ptr<void> token;
    };
    virtual WatchedObject watch_object(const AccessRequest& request, std::string_view container,
                                       const Components& path, std::function<void()> wake) = 0;
    /// The same as open_object(), from what is in memory, and never blocks. Null says nothing: ask
    /// open_object().
    virtual std::shared_ptr<ObjectReader> open_object_cached(const AccessRequest& request,
                                                             std::string_view container,
                                                             const Components& path) = 0;
    /// What may be said of an object that open_object() did not find. May block.
    virtual Absence absence(std::string_view container, const Components& path) = 0;
    /// Whether policy lets a principal do this to `path` (which need not exist) of a container. May
    /// block. A container that is not there is what only a principal without a grant may ask for.
    virtual bool may_access(const AccessRequest& request, std::string_view container,
                            const Components& path) = 0;
    /// Numbers in order: of two uploads the one with the larger came later. Whoever draws one
    /// begins an upload or a deletion with it, or drops it: for a moment newer ones wait for it.
    /// These four never block.
    virtual std::uint64_t draw_ticket() = 0;
    /// Nothing has come from whom it is for: newer uploads will not wait for long.
    virtual void await_ticket(std::uint64_t ticket) = 0;
    /// A request has been read that will begin an upload or a deletion with it.
    virtual void confirm_ticket(std::uint64_t ticket) = 0;
    virtual void drop_ticket(std::uint64_t ticket) = 0;  // harmless when it has been used
    /// Folders that are not there are made when it gets its name. kNotFound: no such container; as
    /// Upload::publish() for what can be told now.
    virtual Result<std::unique_ptr<Upload>> begin_upload(std::string_view container,
                                                         const Components& path,
                                                         const UploadOptions& options) = 0;
    /// Removes a file or a link, and the folders above that uploads had made and that are empty
    /// now. Durable, and known to the other doors, when it returns. kNotFound also for a folder.
    virtual Result<void> delete_object(std::string_view container, const Components& path) = 0;
    /// The same in its turn. kNotFound: no such container.
    virtual Result<std::unique_ptr<Deletion>> begin_delete(std::string_view container,
                                                           const Components& path,
                                                           std::uint64_t ticket) = 0;
    /// Up to `max` items of a folder ("" path: the container) behind the name `after`. Fewer, also
    /// none, does not mean the end: see ItemPage::more. kNotFound: no such container; a path that
    /// is no folder has no items.
    virtual Result<ItemPage> list_items(std::string_view container, const Components& folder,
                                        std::string_view after, std::size_t max) = 0;

    /// At most one listener per door; null takes it away. Called before serving and after.
    virtual void set_change_listener(ChangeListener* listener) = 0;

    /// Numbers for /metrics: name, help, value. Cheap.
    struct Gauge {
        std::string_view name;
        std::string_view help;
        double value;
        bool counter;
    };
    virtual std::vector<Gauge> gauges() const = 0;
};

}  // namespace reelfs::core
