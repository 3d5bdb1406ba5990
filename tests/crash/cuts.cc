#include "crash/cuts.h"

#include <fmt/format.h>

#include <map>
#include <set>

namespace reelfs::test {

void each_cut(const SimDisk& moment, const CutOptions& options, SeededRandom& random,
              const TakeImage& take) {
    std::set<std::uint64_t> seen;
    const auto look = [&](std::unique_ptr<SimDisk> image, const std::string& what) {
        if (seen.insert(image->fingerprint()).second) take(std::move(image), what);
    };
    const std::vector<Pending> pending = moment.pending();
    std::map<std::uint64_t, std::size_t> place;
    for (std::size_t i = 0; i < pending.size(); ++i) place[pending[i].sequence] = i;
    const auto keep = [&](const std::function<bool(std::size_t)>& kept, const std::string& what) {
        for (const bool ahead : {false, true}) {
            Cut cut;
            cut.kept = [&](std::uint64_t at, std::uint64_t) { return kept(place.at(at)); };
            cut.sizes_ahead = ahead;
            look(moment.crash(cut), what + (ahead ? ", sizes ahead" : ""));
        }
    };
    const std::size_t count = pending.size();
    if (options.prefixes_only) {
        for (std::size_t n = 0; n <= count; ++n)
            keep([&](std::size_t i) { return i < n; }, fmt::format("the first {} kept", n));
    } else if (count <= options.every_subset_up_to) {
        for (std::uint64_t mask = 0; mask < std::uint64_t{1} << count; ++mask)
            keep([&](std::size_t i) { return (mask >> i & 1) != 0; },
                 fmt::format("kept by mask {:#x} of {}", mask, count));
    } else {
        for (std::size_t n = 0; n <= count; ++n) {
            keep([&](std::size_t i) { return i < n; }, fmt::format("the first {} kept", n));
            keep([&](std::size_t i) { return i != n; }, fmt::format("all but {} kept", n));
            keep([&](std::size_t i) { return i == n; }, fmt::format("only {} kept", n));
        }
    }
    std::vector<std::pair<std::uint64_t, std::uint64_t>> pages;
    for (const Pending& one : pending)
        if (one.pages.size() > 1)
            for (const std::uint64_t page : one.pages) pages.emplace_back(one.sequence, page);
    while (pages.size() > options.pages_lost_max)
        pages.erase(pages.begin() + static_cast<std::ptrdiff_t>(random.below(pages.size())));
    for (const auto& lost : pages) {
        Cut cut;
        cut.kept = [&](std::uint64_t at, std::uint64_t page) {
            return std::pair(at, page) != lost;
        };
        look(moment.crash(cut),
             fmt::format("page {} of change {} lost", lost.second, place.at(lost.first)));
    }
    for (const Pending& one : pending) {
        if (one.length == 0) continue;
        const std::uint64_t first = 512 - one.offset % 512;
        for (const std::uint64_t bytes :
             {first, first + random.below(one.length) / 512 * 512,
              (one.offset + one.length - 1) / 4096 * 4096 - one.offset}) {
            if (options.prefixes_only && bytes == first) continue;
            if (bytes >= one.length) continue;  // also when it would be less than nothing
            Cut cut;
            cut.torn = one.sequence;
            cut.torn_bytes = bytes;
            cut.kept = [&](std::uint64_t at, std::uint64_t) { return at <= one.sequence; };
            look(moment.crash(cut),
                 fmt::format("change {} torn at {}", place.at(one.sequence), bytes));
        }
    }
    for (const Crash choice : {Crash::kSubset, Crash::kTorn, Crash::kMixed})
        for (std::size_t i = 0; i < options.by_chance; ++i)
            look(moment.crash(choice, random), "by chance");
}

}  // namespace reelfs::test
