// Every bound in one place, with its unit, and the relations between them asserted.
#pragma once

#include <cstddef>
#include <cstdint>

namespace reelfs::limits {

inline constexpr std::size_t KiB = 1024;
inline constexpr std::size_t MiB = 1024 * KiB;
inline constexpr std::size_t GiB = 1024 * MiB;

// Names and values
inline constexpr std::size_t name_bytes_max = 255;
inline constexpr std::size_t symlink_bytes_max = 4095;
inline constexpr std::size_t xattr_name_bytes_max = 255;
inline constexpr std::size_t xattr_value_bytes_max = 64 * KiB;
inline constexpr std::size_t xattr_list_bytes_max = 64 * KiB;
/// Of what is stored and sent as a header's value: mime types, cache control, CORS.
inline constexpr std::size_t header_value_bytes_max = 1024;
/// One document of a container, and all of them together: they are in memory.
inline constexpr std::size_t document_bytes_max = 400'000;
inline constexpr std::size_t documents_bytes_max = 8 * MiB;
inline constexpr std::uint32_t link_count_max = 65'000;
inline constexpr std::uint64_t file_bytes_max = std::uint64_t{1} << 60;

// Blocks, extents, packs
inline constexpr unsigned block_shift_min = 12;  // 4 KiB
/// 8 KiB. Measured: cold 4 KiB reads are a tenth faster from blocks of 4 KiB than from 16 KiB; each
/// block sealed or opened costs a little by itself.
inline constexpr unsigned block_shift_default = 13;
inline constexpr unsigned block_shift_max = 20;  // 1 MiB
inline constexpr std::size_t extent_bytes_max = 8 * MiB;
inline constexpr std::size_t pack_alignment = 4 * KiB;
inline constexpr std::uint64_t shared_pack_bytes_max = 256 * MiB;
/// A writer that has sealed this much gets a pack to itself.
inline constexpr std::uint64_t own_pack_from_bytes = 8 * MiB;
/// What such a writer seals in pieces of at least this goes past the page cache, where playlists
/// and segments have more use of the room; smaller pieces are gathered there by the kernel.
inline constexpr std::size_t bulk_put_bytes_min = 256 * KiB;
/// A sealed extent of at most this many bytes lives in the catalog.
inline constexpr std::size_t inline_extent_bytes_max = 8 * KiB;
/// Inline bytes a file may gather before they move to a pack.
inline constexpr std::uint64_t inline_file_bytes_max = 64 * KiB;

// Memory (bytes), all within memory_bytes_default
inline constexpr std::size_t memory_bytes_default = 512 * MiB;
inline constexpr std::size_t dirty_bytes_default = 128 * MiB;
inline constexpr std::size_t block_cache_bytes_default = 160 * MiB;
inline constexpr std::size_t catalog_cache_bytes_default = 32 * MiB;
inline constexpr std::size_t node_cache_entries_max = 32'768;
/// Slices of the maps of nodes in memory, of about 240 bytes with the extents they name.
inline constexpr std::size_t node_cache_slices_max = 131'072;
inline constexpr std::size_t entry_cache_entries_max = 32'768;  // names, of about 150 bytes

// Barriers and checkpoints
inline constexpr std::int64_t background_barrier_ms = 3'000;
inline constexpr std::uint64_t background_barrier_bytes = 256 * MiB;
inline constexpr std::uint64_t wal_checkpoint_bytes = 4 * MiB;
inline constexpr std::uint64_t wal_checkpoint_forced_bytes = 16 * MiB;
inline constexpr std::uint64_t reserve_file_bytes = 16 * MiB;
inline constexpr int catalog_step_rows_max = 256;

// FUSE
inline constexpr std::size_t fuse_request_bytes_max = 1 * MiB;
inline constexpr unsigned fuse_threads = 8;

// Uploads
/// An upload that has waited for its peer no longer than this publishes before a newer one that is
/// complete ...
inline constexpr std::int64_t upload_quiet_ms = 50;
/// ... which waits for such no longer than this.
inline constexpr std::int64_t upload_patience_ms = 500;
/// Entries of a folder looked at for one page of items.
inline constexpr int items_rows_max = 8'192;

// Expiry
/// Objects taken away by one transaction. Small: others wait for the catalog meanwhile.
inline constexpr int expiry_batch_rows = 16;
/// One that cannot be taken away (damage) is tried again after this.
inline constexpr std::int64_t expiry_put_off_ms = 600'000;
/// A folder that changed no longer ago than this is live: what is not in it may be there at once.
inline constexpr std::int64_t live_folder_ms = 60'000;

// HTTP
inline constexpr std::size_t http_head_bytes_max = 32 * KiB;
inline constexpr std::size_t http_target_bytes_max = 8 * KiB;
inline constexpr std::size_t http_chunk_extension_bytes_max = 4 * KiB;
inline constexpr std::int64_t http_head_ms = 20'000;
inline constexpr std::int64_t http_idle_ms = 75'000;
inline constexpr std::int64_t http_stall_ms = 60'000;
inline constexpr std::size_t http_connections_max = 16'384;
/// From one IPv4 address or one IPv6 /64; through a trusted proxy, requests at once. So that one
/// alone cannot keep all others out.
inline constexpr std::size_t http_connections_per_client_max = http_connections_max / 4 * 3;
inline constexpr std::size_t http_ranges_max = 16;
/// Measured: at 1 MiB a 2 MiB response costs half as much CPU again (it leaves the cache between
/// being copied in and being sent).
inline constexpr std::size_t http_window_bytes = 256 * KiB;
inline constexpr std::size_t http_bytes_in_flight_max = 64 * MiB;
inline constexpr std::int64_t follow_idle_ms = 30'000;
/// Requests held at once until what they ask for is there; one more is answered 503.
inline constexpr std::size_t http_held_max = 8'192;
/// A request for a playlist is held for three target durations, at most this ...
inline constexpr std::int64_t http_playlist_hold_ms_max = 9'000;
/// ... and one for another object at most this, where a delivery rule says so.
inline constexpr std::int64_t http_object_hold_ms_max = 30'000;
/// A playlist longer than this is not read to see how far it has come.
inline constexpr std::size_t http_playlist_bytes_max = 1 * MiB;
inline constexpr unsigned http_network_threads = 2;
inline constexpr unsigned http_pool_threads = 4;
inline constexpr unsigned http_upload_threads = 4;
/// What is asked of a socket at once while a body comes in.
inline constexpr std::size_t http_body_read_bytes = 64 * KiB;
/// Requests waiting for a pool thread; one more is answered 503.
inline constexpr std::size_t http_pool_queue_max = 1'024;
inline constexpr int http_backlog = 1'024;
/// A response whose peer takes less than this for http_stall_ms is cut.
inline constexpr std::uint64_t http_stall_bytes_per_second = 1 * KiB;
/// A response whose object has been changed, replaced or removed keeps that version on the disk; it
/// is cut when it does so for longer.
inline constexpr std::int64_t http_replaced_ms = 600'000;
/// While others wait for memory, a response whose socket took nothing for this long gives back its
/// window, and goes on with a small one when the socket takes bytes again.
inline constexpr std::int64_t http_shed_ms = 1'000;
inline constexpr std::size_t http_resumed_window_bytes = 64 * KiB;
/// A request body nobody asked for is read to its end up to this; beyond, the connection closes.
inline constexpr std::size_t http_body_drain_bytes_max = 64 * KiB;
/// How long a closing connection is read from, so that the peer sees the last response.
inline constexpr std::int64_t http_linger_ms = 2'000;
inline constexpr std::size_t http_trailer_bytes_max = 8 * KiB;
/// Lines of the access log that wait for the disk; beyond, they are dropped.
inline constexpr std::size_t access_log_queue_bytes_max = 4 * MiB;
inline constexpr int symlink_hops_max = 8;
inline constexpr std::size_t items_page_max = 1'000;
inline constexpr std::int64_t page_token_seconds = 900;

// Containers of profile "mediastore"
inline constexpr std::uint64_t mediastore_standard_bytes_max = 25 * MiB;
inline constexpr std::uint64_t mediastore_streaming_bytes_max = 10 * MiB;
inline constexpr std::int64_t mediastore_upload_ms_max = 30'000;
inline constexpr std::size_t mediastore_segments_max = 11;
inline constexpr std::size_t mediastore_path_bytes_max = 900;

// Authentication
inline constexpr std::int64_t http_clock_skew_seconds_max = 15 * 60;
inline constexpr std::int64_t http_presigned_seconds_max = 604'800;
inline constexpr std::size_t http_signed_headers_max = 64;
/// All are kept in memory, so that no request waits for the catalog to be authenticated.
inline constexpr std::size_t users_max = 10'000;
inline constexpr std::size_t ingest_tokens_max = 10'000;

static_assert(dirty_bytes_default + block_cache_bytes_default + catalog_cache_bytes_default +
                  http_bytes_in_flight_max <
              memory_bytes_default);
static_assert(extent_bytes_max % (std::size_t{1} << block_shift_max) == 0);
static_assert(http_connections_per_client_max < http_connections_max);
static_assert(http_target_bytes_max < http_head_bytes_max);
static_assert(http_held_max < http_connections_max);
static_assert(http_resumed_window_bytes <= http_window_bytes);
static_assert(2 * http_window_bytes <= http_bytes_in_flight_max);
static_assert(expiry_batch_rows <= catalog_step_rows_max);
static_assert(inline_extent_bytes_max < own_pack_from_bytes);
static_assert(wal_checkpoint_bytes < wal_checkpoint_forced_bytes);

}  // namespace reelfs::limits
