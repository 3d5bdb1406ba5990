// What a store shows after a cut: opened twice, read whole, walked, and seen again when all that
// expires does. Values, so that equal images need be opened only once, whatever had been promised
// and whatever the time was when they arose.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/test_store.h"
#include "crash/steps.h"

namespace reelfs::test {

struct Observed {
    struct File {
        std::uint64_t size = 0;
        std::uint64_t hash = 0;  // of its bytes
        std::uint32_t links = 0;
        std::int64_t modified_ns = 0;
        std::optional<std::int64_t> expires_ns;
        std::string etag;
        bool operator==(const File&) const = default;
    };
    std::map<std::string, std::size_t> names;  // to an index of `files`
    std::vector<File> files;
    std::vector<std::string> folders;   // no step leaves one
    std::vector<std::string> problems;  // whatever had been promised, these must not be
};

std::uint64_t hash_of(Bytes bytes);

/// A volume opened on `disk`, without background work.
Result<std::unique_ptr<core::Volume>> open_volume(SimDisk& disk, Random& random, Clock& clock);
/// The files in container "c" of an open volume.
Result<Observed> read_tree(core::Tree& tree);
/// Opens the store before anything in it expires, reads it, walks its rows; opens what that has
/// left again, as after a kill, and finds the same rows; stops it cleanly, and in one of eight
/// cases walks it once more. Where something expires, it is there just before its instant and gone
/// from then on, before it is taken away and after; and then nothing of it is left.
Observed observe(const SimDisk& image, std::uint64_t seed);

/// Empty when `observed` is what a cut may leave of `state`, both as they are seen at `now_ns`;
/// otherwise what differs.
std::string difference(const Observed& observed, const TreeState& state, std::int64_t now_ns);

}  // namespace reelfs::test
