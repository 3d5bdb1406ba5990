// Sealed database pages, see database_file.h.
#include "catalog/database_file.h"

#include <fmt/format.h>

#include <algorithm>

#include "catalog/log_layout.h"

namespace reelfs::catalog {

namespace {

constexpr std::size_t kSqliteHeaderBytes = 100;

}  // namespace

DatabaseFile::DatabaseFile(std::unique_ptr<File> file, std::uint64_t size,
                           crypto::PageSealer& sealer, Failure& failure)
    : file_(std::move(file)),
      sealer_(sealer),
      failure_(failure),
      size_(size),
      sealed_(kPageBytes),
      opened_(kPageBytes) {}

Result<void> DatabaseFile::read_page(std::uint64_t page, MutableBytes plain) {
    RF_TRY(std::size_t n, file_->read_at((page - 1) * kPageBytes, sealed_.span()));
    const crypto::PagePosition position{crypto::PageKind::kDatabase, page};
    if (n != kPageBytes || !sealer_.open(position, sealed_.span(), plain.first(kPagePlainBytes)))
        return Error(Errc::kCorrupt, fmt::format("catalog page {} is damaged", page));
    std::fill_n(plain.data() + kPagePlainBytes, kReservedBytes, std::byte{});
    return done();
}

Result<std::size_t> DatabaseFile::read(std::uint64_t offset, MutableBytes out) {
    std::size_t total = 0;
    while (total < out.size() && offset + total < size_) {
        const std::uint64_t at = offset + total;
        const std::size_t within = at % kPageBytes;
        const std::size_t part = std::min(out.size() - total, kPageBytes - within);
        if (part == kPageBytes) {
            RF_CHECK(read_page(at / kPageBytes + 1, out.subspan(total, part)));
        } else {
            Result<void> opened = read_page(at / kPageBytes + 1, opened_.span());
            if (!opened) {
                const bool header = offset + out.size() <= kSqliteHeaderBytes;
                if (!header || opened.error().code() != Errc::kCorrupt)
                    return std::move(opened).error();
                return std::size_t{0};
            }
            std::copy_n(opened_.data() + within, part, out.data() + total);
        }
        total += part;
    }
    return total;
}

Result<void> DatabaseFile::write(std::uint64_t offset, Bytes page) {
    if (failure_.failed()) return failure_.error();
    const auto reserved = page.last(kReservedBytes);
    const bool clear = std::all_of(reserved.begin(), reserved.end(),
                                   [](std::byte byte) { return byte == std::byte{}; });
    if (page.size() != kPageBytes || offset % kPageBytes != 0 || !clear)
        return Error(Errc::kIo, fmt::format("catalog: a write of {} bytes at {} is not a page with "
                                            "room for its seal",
                                            page.size(), offset));
    sealer_.seal({crypto::PageKind::kDatabase, offset / kPageBytes + 1}, 0,
                 page.first(kPagePlainBytes), sealed_.span());
    Result<void> written = file_->write_at(offset, sealed_.span());
    if (!written && written.error().code() != Errc::kNoSpace &&
        written.error().code() != Errc::kQuota)
        failure_.set(written.error());
    if (written) size_ = std::max(size_, offset + kPageBytes);
    return written;
}

Result<void> DatabaseFile::truncate(std::uint64_t size) {
    if (size == size_) return done();
    if (failure_.failed()) return failure_.error();
    Result<void> cut = file_->truncate(size);
    if (cut)
        size_ = size;
    else
        failure_.set(cut.error());
    return cut;
}

Result<void> DatabaseFile::sync() {
    if (failure_.failed()) return failure_.error();
    Result<void> synced = file_->sync();
    if (!synced) failure_.set(synced.error());
    return synced;
}

}  // namespace reelfs::catalog
