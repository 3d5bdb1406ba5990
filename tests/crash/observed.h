// What a store shows after a cut: opened twice, read whole, walked. Values, so that equal images
// need be opened only once, whatever had been promised when they arose.
#pragma once

#include <map>
#include <memory>
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
        std::string etag;
        bool operator==(const File&) const = default;
    };
    std::map<std::string, std::size_t> names;  // to an index of `files`
    std::vector<File> files;
    std::vector<std::string> problems;  // whatever had been promised, these must not be
};

std::uint64_t hash_of(Bytes bytes);

/// A volume opened on `disk`, without background work.
Result<std::unique_ptr<core::Volume>> open_volume(SimDisk& disk, Random& random, Clock& clock);
/// The files in container "c" of an open volume.
Result<Observed> read_tree(core::Tree& tree);
/// Opens the store, reads it, walks its rows; opens what that has left again, as after a kill, and
/// finds the same rows; stops it cleanly, and in one of eight cases walks it once more.
Observed observe(const SimDisk& image, std::uint64_t seed);

/// Empty when `observed` is what a cut may leave of `state`; otherwise what differs.
std::string difference(const Observed& observed, const TreeState& state);

}  // namespace reelfs::test
