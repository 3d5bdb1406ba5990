// An object on its way in through HTTP. Its bytes go the way of every write (dirty window, extents,
// packs) into a node of its own that has no name until publish(), so that neither an aborted upload
// nor a crash leaves anything behind.
//
//     begin_upload -> append ... -> complete -> make_durable -> turn (until it is ours) -> publish
//
// Dropped before it has been published, all of it goes; a STREAMING one then cuts its readers, and
// the version it hid is back.
//
// Order: each upload has a ticket. An older ticket never replaces what a newer one, or anybody else
// since, has put at its path. Within a folder complete uploads publish in the order of their
// tickets, and a complete one lets those with older tickets go first whose bytes are here or are
// still coming in; one that waits for its peer soon delays nobody. So a playlist that was sent
// after a segment is never published before it.
//
// Threads: one caller at a time, but turn()'s `wake` comes from any. append, make_durable, publish
// and the destructor may block on disk and for room; the others never do.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "reelfs/base/bytes.h"
#include "reelfs/base/result.h"
#include "reelfs/model/ids.h"

namespace reelfs::core {

struct UploadOptions {
    std::uint64_t ticket = 0;   // of Tree::draw_ticket()
    bool streaming = false;     // readable, through every door, from its first byte
    std::string mime_type;      // kept as user.mime_type; "" for none
    std::string cache_control;  // kept as user.cache_control; "" for none
};

struct Uploaded {
    ETag etag;
    std::uint64_t size = 0;
};

class Upload {
  public:
    virtual ~Upload() = default;

    virtual Result<void> append(Bytes bytes) = 0;
    /// All that has come is appended, and the peer is waited for; and it has sent more.
    virtual void waits() = 0;
    virtual void goes_on() = 0;
    /// The last byte has come.
    virtual void complete() = 0;
    /// What was appended is on the disk.
    virtual Result<void> make_durable() = 0;

    struct Turn {
        bool now = false;
        std::int64_t ask_again_ms = 0;  // when not now: at the latest
    };
    /// Whether those that go first have gone. If not, `wake` is called (at most once, never within
    /// this call, with no lock held) when that may have changed.
    virtual Turn turn(std::function<void()> wake) = 0;

    /// Gives it its name: the whole of it replaces what was there, by one transaction that is
    /// durable when this returns; the other doors know. `sha256`: of all its bytes.
    /// kIsDirectory when a folder has that name; kNotDirectory and kInvalid when a file or a link
    /// stands where a folder should.
    virtual Result<Uploaded> publish(Bytes sha256) = 0;
};

/// A deletion through HTTP. It has its place among the uploads of its folder: an encoder takes a
/// segment away after it has sent a playlist without it, and that playlist may still wait for its
/// turn. Dropped, it gives its place up. Threads: as for Upload; commit() may block on disk.
class Deletion {
  public:
    virtual ~Deletion() = default;
    virtual Upload::Turn turn(std::function<void()> wake) = 0;
    /// Tree::delete_object().
    virtual Result<void> commit() = 0;
};

}  // namespace reelfs::core
