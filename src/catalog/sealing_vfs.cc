// SQLite's callbacks, see sealing_vfs.h.
#include "catalog/sealing_vfs.h"

#include <fmt/format.h>
#include <sqlite3.h>

#include <algorithm>
#include <cstring>
#include <ctime>
#include <new>
#include <variant>

#include "catalog/database_file.h"
#include "catalog/log_file.h"
#include "catalog/log_layout.h"
#include "reelfs/base/log.h"

namespace reelfs::catalog {

namespace {

/// What SQLite allocates and calls a file.
struct OpenFile {
    sqlite3_file base;
    SealingVfs* vfs;
    DatabaseFile* database;  // one of the two is set
    LogFile* log;
};

OpenFile& open_file(sqlite3_file* file) {
    return *reinterpret_cast<OpenFile*>(file);
}
SealingVfs& vfs_of(sqlite3_vfs* vfs) {
    return *static_cast<SealingVfs*>(vfs->pAppData);
}

int code_of(const Error& error, int otherwise) {
    switch (error.code()) {
        case Errc::kNoSpace:
        case Errc::kQuota:
            return SQLITE_FULL;
        case Errc::kCorrupt:
            return SQLITE_IOERR_DATA;
        case Errc::kNoMemory:
            return SQLITE_IOERR_NOMEM;
        default:
            return otherwise;
    }
}

}  // namespace

struct VfsCalls {
    static int fail(SealingVfs& vfs, Error error, int otherwise) {
        const int code = code_of(error, otherwise);
        vfs.last_error_ = std::move(error);
        return code;
    }

    /// Runs a callback's body; whatever it throws becomes `otherwise`.
    template <class Body>
    static int guard(int otherwise, Body body) noexcept {
        try {
            return body();
        } catch (const std::bad_alloc&) {
            return SQLITE_IOERR_NOMEM;
        } catch (const std::exception& thrown) {
            log::error("catalog: {}", thrown.what());
        } catch (...) {
            log::error("catalog: unknown exception in a file operation");
        }
        return otherwise;
    }

    template <class Call>
    static int run(sqlite3_file* file, int otherwise, Call call) noexcept {
        return guard(otherwise, [&] {
            OpenFile& open = open_file(file);
            Result<void> result = open.log ? call(*open.log) : call(*open.database);
            return result ? SQLITE_OK : fail(*open.vfs, std::move(result).error(), otherwise);
        });
    }

    static int close(sqlite3_file* file) noexcept {
        OpenFile& open = open_file(file);
        if (open.log) open.vfs->log_ = nullptr;
        delete open.log;
        delete open.database;
        open.log = nullptr;
        open.database = nullptr;
        return SQLITE_OK;
    }

    static int read(sqlite3_file* file, void* to, int length, sqlite3_int64 offset) noexcept {
        return guard(SQLITE_IOERR_READ, [&] {
            OpenFile& open = open_file(file);
            MutableBytes out(static_cast<std::byte*>(to), static_cast<std::size_t>(length));
            const auto at = static_cast<std::uint64_t>(offset);
            Result<std::size_t> n =
                open.log ? open.log->read(at, out) : open.database->read(at, out);
            if (!n) return fail(*open.vfs, std::move(n).error(), SQLITE_IOERR_READ);
            if (*n == out.size()) return SQLITE_OK;
            std::fill(out.begin() + static_cast<std::ptrdiff_t>(*n), out.end(), std::byte{});
            return SQLITE_IOERR_SHORT_READ;
        });
    }

    static int write(sqlite3_file* file, const void* from, int length,
                     sqlite3_int64 offset) noexcept {
        Bytes bytes(static_cast<const std::byte*>(from), static_cast<std::size_t>(length));
        return run(file, SQLITE_IOERR_WRITE, [&](auto& target) {
            return target.write(static_cast<std::uint64_t>(offset), bytes);
        });
    }

    static int truncate(sqlite3_file* file, sqlite3_int64 size) noexcept {
        return run(file, SQLITE_IOERR_TRUNCATE,
                   [&](auto& target) { return target.truncate(static_cast<std::uint64_t>(size)); });
    }

    static int sync(sqlite3_file* file, int) noexcept {
        return run(file, SQLITE_IOERR_FSYNC, [](auto& target) { return target.sync(); });
    }

    static int size(sqlite3_file* file, sqlite3_int64* size) noexcept {
        OpenFile& open = open_file(file);
        *size = static_cast<sqlite3_int64>(open.log ? open.log->size() : open.database->size());
        return SQLITE_OK;
    }

    static int lock(sqlite3_file*, int) noexcept { return SQLITE_OK; }
    static int check_reserved_lock(sqlite3_file*, int* held) noexcept {
        *held = 0;
        return SQLITE_OK;
    }
    static int control(sqlite3_file*, int operation, void* argument) noexcept {
        if (operation != SQLITE_FCNTL_PERSIST_WAL) return SQLITE_NOTFOUND;
        *static_cast<int*>(argument) = 1;  // the log stays when the connection closes
        return SQLITE_OK;
    }
    static int sector_size(sqlite3_file*) noexcept { return static_cast<int>(kPageBytes); }
    static int characteristics(sqlite3_file*) noexcept {
        return SQLITE_IOCAP_POWERSAFE_OVERWRITE | SQLITE_IOCAP_UNDELETABLE_WHEN_OPEN;
    }

    static int open_database(SealingVfs& vfs, OpenFile& open) {
        auto file = vfs.parts_.disk.open(vfs.database_path_, OpenMode::kCreate);
        if (!file) return fail(vfs, std::move(file).error(), SQLITE_CANTOPEN);
        auto size = (*file)->size();
        if (!size) return fail(vfs, std::move(size).error(), SQLITE_CANTOPEN);
        open.database =
            new DatabaseFile(*std::move(file), *size, vfs.parts_.sealer, vfs.parts_.failure);
        return SQLITE_OK;
    }

    static int open_log(SealingVfs& vfs, OpenFile& open) {
        auto opened = vfs.parts_.disk.open(vfs.log_path(), OpenMode::kCreate);
        if (!opened) return fail(vfs, std::move(opened).error(), SQLITE_CANTOPEN);
        std::shared_ptr<File> file = *std::move(opened);
        auto size = file->size();
        if (!size) return fail(vfs, std::move(size).error(), SQLITE_CANTOPEN);
        vfs.parts_.durability.attach(file, vfs.found_.committed_frames);
        open.log = new LogFile(std::move(file), *size, vfs.found_, vfs.parts_.sealer,
                               vfs.parts_.failure, vfs.parts_.durability);
        vfs.log_ = open.log;
        return SQLITE_OK;
    }

    static int open(sqlite3_vfs* sqlite_vfs, const char* path, sqlite3_file* file, int flags,
                    int* flags_out) noexcept {
        static const sqlite3_io_methods methods = {
            .iVersion = 1,
            .xClose = close,
            .xRead = read,
            .xWrite = write,
            .xTruncate = truncate,
            .xSync = sync,
            .xFileSize = size,
            .xLock = lock,
            .xUnlock = lock,
            .xCheckReservedLock = check_reserved_lock,
            .xFileControl = control,
            .xSectorSize = sector_size,
            .xDeviceCharacteristics = characteristics,
            .xShmMap = nullptr,
            .xShmLock = nullptr,
            .xShmBarrier = nullptr,
            .xShmUnmap = nullptr,
            .xFetch = nullptr,
            .xUnfetch = nullptr,
        };
        SealingVfs& vfs = vfs_of(sqlite_vfs);
        OpenFile& open = open_file(file);
        open = OpenFile{
            .base = {.pMethods = nullptr}, .vfs = &vfs, .database = nullptr, .log = nullptr};
        int code = guard(SQLITE_CANTOPEN, [&] {
            if (path != nullptr && (flags & SQLITE_OPEN_MAIN_DB) && path == vfs.database_path_)
                return open_database(vfs, open);
            if (path != nullptr && (flags & SQLITE_OPEN_WAL) && path == vfs.log_path())
                return open_log(vfs, open);
            return fail(vfs, Error(Errc::kIo, "catalog: no file but its two may be opened"),
                        SQLITE_CANTOPEN);
        });
        if (code != SQLITE_OK) return code;
        open.base.pMethods = &methods;
        if (flags_out != nullptr) *flags_out = flags;
        return SQLITE_OK;
    }

    // SQLite removes only what it made itself; ours are never removed while it runs.
    static int remove(sqlite3_vfs*, const char*, int) noexcept { return SQLITE_IOERR_DELETE; }

    /// Only our two files exist: a journal that someone put beside them is not looked at.
    static int access(sqlite3_vfs* sqlite_vfs, const char* path, int, int* found) noexcept {
        return guard(SQLITE_IOERR_ACCESS, [&] {
            SealingVfs& vfs = vfs_of(sqlite_vfs);
            *found = 0;
            if (path != vfs.database_path_ && path != vfs.log_path()) return SQLITE_OK;
            Result<bool> exists = vfs.parts_.disk.exists(path);
            if (!exists) return fail(vfs, std::move(exists).error(), SQLITE_IOERR_ACCESS);
            *found = *exists ? 1 : 0;
            return SQLITE_OK;
        });
    }

    static int full_path(sqlite3_vfs*, const char* path, int room, char* out) noexcept {
        const std::size_t length = std::strlen(path);
        if (length + 1 > static_cast<std::size_t>(room)) return SQLITE_CANTOPEN;
        std::memcpy(out, path, length + 1);
        return SQLITE_OK;
    }

    static int randomness(sqlite3_vfs* sqlite_vfs, int length, char* out) noexcept {
        return guard(0, [&] {
            vfs_of(sqlite_vfs)
                .parts_.random.fill(
                    std::as_writable_bytes(std::span(out, static_cast<std::size_t>(length))));
            return length;
        });
    }

    // Only for the busy handler, and SQLITE_BUSY cannot happen.
    static int pause(sqlite3_vfs*, int) noexcept { return 0; }
    /// Days since noon of 24 November 4714 BC; no statement of ours asks for the time.
    static int current_time(sqlite3_vfs*, double* days) noexcept {
        *days = 2440587.5 + static_cast<double>(std::time(nullptr)) / 86400.0;
        return SQLITE_OK;
    }
    static int last_error(sqlite3_vfs*, int, char*) noexcept { return 0; }
};

/// Before SQLite starts, which the first registration does: nobody asks how much memory it has, and
/// counting takes a lock of the whole process at each allocation. Later calls change nothing.
static void stop_counting_memory() {
    [[maybe_unused]] static const int code = sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

SealingVfs::SealingVfs(Parts parts, std::string database_path, LogScan found)
    : parts_(parts),
      database_path_(std::move(database_path)),
      found_(std::move(found)),
      name_(fmt::format("reelfs-{}", fmt::ptr(this))),
      vfs_(std::make_unique<sqlite3_vfs>()) {
    *vfs_ = sqlite3_vfs{};
    vfs_->iVersion = 1;
    vfs_->szOsFile = sizeof(OpenFile);
    vfs_->mxPathname = 4096;
    vfs_->zName = name_.c_str();
    vfs_->pAppData = this;
    vfs_->xOpen = VfsCalls::open;
    vfs_->xDelete = VfsCalls::remove;
    vfs_->xAccess = VfsCalls::access;
    vfs_->xFullPathname = VfsCalls::full_path;
    vfs_->xRandomness = VfsCalls::randomness;
    vfs_->xSleep = VfsCalls::pause;
    vfs_->xCurrentTime = VfsCalls::current_time;
    vfs_->xGetLastError = VfsCalls::last_error;
    stop_counting_memory();
    sqlite3_vfs_register(vfs_.get(), 0);
}

SealingVfs::~SealingVfs() {
    sqlite3_vfs_unregister(vfs_.get());
}

std::optional<Error> SealingVfs::take_last_error() {
    return std::exchange(last_error_, std::nullopt);
}

}  // namespace reelfs::catalog
