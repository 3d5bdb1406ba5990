#include "core/copying.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <cstring>
#include <memory>

#include "reelfs/model/limits.h"

namespace reelfs::core {

namespace {

constexpr std::size_t kPiece = limits::MiB;
constexpr std::size_t kHoleUnit = 64 * limits::KiB;

class Sum {
  public:
    Sum() : state_(XXH3_createState(), &XXH3_freeState) { XXH3_64bits_reset(state_.get()); }
    void add(Bytes bytes) { XXH3_64bits_update(state_.get(), bytes.data(), bytes.size()); }
    std::uint64_t value() const { return XXH3_64bits_digest(state_.get()); }

  private:
    std::unique_ptr<XXH3_state_t, XXH_errorcode (*)(XXH3_state_t*)> state_;
};

}  // namespace

Result<std::uint64_t> copy_range(const ReadPiece& read, File& target, std::uint64_t from,
                                 std::uint64_t bytes, Job& job) {
    // What an earlier copy left behind here must not show through the holes.
    RF_TRY(const std::uint64_t there, target.size());
    if (there > from) RF_CHECK(target.truncate(from));
    RF_CHECK(target.truncate(from + bytes));
    Sum sum;
    Buffer buffer(kPiece);
    for (std::uint64_t at = 0; at < bytes;) {
        const auto part = static_cast<std::size_t>(std::min<std::uint64_t>(kPiece, bytes - at));
        const MutableBytes piece = buffer.span().first(part);
        RF_TRY(const std::size_t n, read(from + at, piece));
        if (n != part)
            return Error(Errc::kCorrupt,
                         fmt::format("it ends at {}, before {}", from + at + n, from + bytes));
        sum.add(piece);
        for (std::size_t unit = 0; unit < part; unit += kHoleUnit) {
            const Bytes one = piece.subspan(unit, std::min(kHoleUnit, part - unit));
            if (!all_zero(one)) RF_CHECK(target.write_at(from + at + unit, one));
        }
        at += part;
        RF_CHECK(job.advance(part));
    }
    return sum.value();
}

Result<std::uint64_t> sum_range(const File& file, std::uint64_t from, std::uint64_t bytes,
                                Job& job) {
    Sum sum;
    Buffer buffer(kPiece);
    for (std::uint64_t at = 0; at < bytes;) {
        const auto part = static_cast<std::size_t>(std::min<std::uint64_t>(kPiece, bytes - at));
        RF_TRY(const std::size_t n, file.read_at(from + at, buffer.span().first(part)));
        if (n == 0) return Error(Errc::kCorrupt, fmt::format("it ends at {}", from + at));
        sum.add(buffer.span().first(n));
        at += n;
        RF_CHECK(job.advance(n));
    }
    return sum.value();
}

Result<void> verify_copy(Disk& disk, const std::string& path, const CopiedPart& part, Job& job) {
    RF_TRY(auto file, disk.open(path, OpenMode::kRead));
    file->drop_cache();
    RF_TRY(const std::uint64_t sum, sum_range(*file, part.from, part.bytes, job));
    if (sum != part.sum)
        return Error(Errc::kIo, fmt::format("{} does not read back as it was written: that disk is "
                                            "not to be trusted",
                                            path));
    return done();
}

Result<void> make_directories(Disk& disk, const std::string& top, const std::string& below) {
    std::string path = top;
    for (std::size_t at = 0; at < below.size();) {
        const std::size_t slash = std::min(below.find('/', at), below.size());
        const std::string parent = path;
        path += "/" + below.substr(at, slash - at);
        at = slash + 1;
        RF_TRY(const bool there, disk.exists(path));
        if (there) continue;
        RF_CHECK(disk.make_directory(path));
        RF_CHECK(disk.sync_directory(parent));
    }
    return done();
}

std::string pack_name(const PackId& pack) {
    const std::string hex = pack.hex();
    return fmt::format("packs/{}/{}.pack", hex.substr(0, 2), hex);
}

}  // namespace reelfs::core
