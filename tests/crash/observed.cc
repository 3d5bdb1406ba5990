#include "crash/observed.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>

#include "crash/ground.h"
#include "crash/walk.h"

namespace reelfs::test {

namespace {

Result<Observed::File> read_file_of(core::Tree& tree, const Attributes& attributes,
                                    const std::string& name) {
    Observed::File file;
    file.size = attributes.size;
    file.links = attributes.links;
    file.modified_ns = attributes.modified.ns;
    if (attributes.expires) file.expires_ns = attributes.expires->ns;
    RF_TRY(auto handle, tree.open(attributes.node, {.read = true}));
    std::vector<std::byte> bytes(attributes.size);
    auto count = tree.read(*handle, 0, bytes);
    tree.release(handle);
    if (!count) return std::move(count).error();
    if (*count != bytes.size()) return Error(Errc::kIo, "a read ended early");
    file.hash = hash_of(bytes);
    RF_TRY(auto object, tree.open_object(kHere, "c", {name}));
    file.etag = object->etag().hex();
    return file;
}

void add_all(std::vector<std::string>& to, const std::vector<std::string>& from,
             std::string_view when) {
    for (const std::string& problem : from) to.push_back(fmt::format("{}: {}", when, problem));
}

bool has_expired(const Observed::File& file, std::int64_t now_ns) {
    return file.expires_ns && *file.expires_ns <= now_ns;
}

/// The names that are there at `now_ns`, with what they lead to.
std::map<std::string, Observed::File> visible_at(const Observed& observed, std::int64_t now_ns) {
    std::map<std::string, Observed::File> left;
    for (const auto& [name, index] : observed.names)
        if (!has_expired(observed.files[index], now_ns)) left[name] = observed.files[index];
    return left;
}

/// Through each door the tree shows what `observed` has at the clock's time; otherwise a problem.
Result<void> expect_visible(core::Volume& volume, const Observed& observed, const Clock& clock,
                            std::string_view when, std::vector<std::string>& problems) {
    const std::int64_t now = clock.now().ns;
    RF_TRY(Observed seen, read_tree(volume.tree()));
    if (visible_at(seen, INT64_MIN) != visible_at(observed, now))
        problems.push_back(fmt::format("{}: another tree is seen", when));
    RF_TRY(Attributes container, volume.tree().lookup(kRootNode, "c"));
    for (const auto& [name, index] : observed.names) {
        if (!has_expired(observed.files[index], now)) continue;
        if (volume.tree().lookup(container.node, name) ||
            volume.tree().open_object(kHere, "c", {name}))
            problems.push_back(fmt::format("{}: {} is there after its instant", when, name));
    }
    return done();
}

/// Around each instant, and after what has expired has been taken away.
Result<void> observe_expiry(SimDisk& disk, SeededRandom& random, const Observed& observed,
                            std::vector<std::string>& problems) {
    ManualClock clock;
    std::vector<std::int64_t> instants;
    for (const auto& file : observed.files)
        if (file.expires_ns) instants.push_back(*file.expires_ns);
    std::sort(instants.begin(), instants.end());
    RF_TRY(auto volume, open_volume(disk, random, clock));
    for (const std::int64_t instant : instants) {
        clock.advance_ms((instant - clock.now().ns) / 1'000'000 - 1);
        RF_CHECK(expect_visible(*volume, observed, clock, "before its instant", problems));
        clock.advance_ms(1);
        RF_CHECK(expect_visible(*volume, observed, clock, "at its instant", problems));
    }
    RF_CHECK(take_away_expired(volume->tree()));
    RF_CHECK(expect_visible(*volume, observed, clock, "taken away", problems));
    const Walk walk = walk_store(*disk.kill(), random);
    add_all(problems, walk.problems, "after what expired was taken away");
    if (walk.rows.find("expiry ") != std::string::npos)
        problems.push_back("after what expired was taken away some is in the queue:\n" + walk.rows);
    return done();
}

}  // namespace

std::uint64_t hash_of(Bytes bytes) {
    return XXH3_64bits(bytes.data(), bytes.size());
}

Result<std::unique_ptr<core::Volume>> open_volume(SimDisk& disk, Random& random, Clock& clock) {
    core::OpenOptions options;
    options.directory = "/data/store";
    options.unlock = test_key();
    options.memory_bytes = 32 << 20;
    options.background_barrier_ms = 0;
    return core::open_store({disk, random, clock}, options);
}

Result<Observed> read_tree(core::Tree& tree) {
    Observed observed;
    std::map<NodeId, std::size_t> known;
    RF_TRY(Attributes container, tree.lookup(kRootNode, "c"));
    RF_TRY(auto directory, tree.open_directory(container.node));
    std::vector<std::pair<std::string, Attributes>> entries;
    RF_CHECK(tree.list(*directory, 0, true, [&](const core::Tree::Listed& listed) {
        if (listed.attributes != nullptr) entries.emplace_back(listed.name, *listed.attributes);
        return true;
    }));
    for (const auto& [name, attributes] : entries) {
        if (attributes.is_directory()) {
            observed.folders.push_back(name);
            continue;
        }
        auto [place, is_new] = known.emplace(attributes.node, observed.files.size());
        observed.names[name] = place->second;
        if (!is_new) continue;
        auto file = read_file_of(tree, attributes, name);
        if (!file)
            return Error(file.error().code(),
                         fmt::format("file {}: {}", name, file.error().message()));
        observed.files.push_back(*std::move(file));
    }
    return observed;
}

Observed observe(const SimDisk& image, std::uint64_t seed) {
    SeededRandom random(seed);
    ManualClock clock;
    Observed observed;
    const auto failed = [&](std::string_view what, const Error& error) {
        observed.problems.push_back(fmt::format("{}: {}", what, error.message()));
        return observed;
    };
    auto disk = image.kill();
    std::unique_ptr<SimDisk> left;
    {
        auto volume = open_volume(*disk, random, clock);
        if (!volume) return failed("it does not open", volume.error());
        auto read = read_tree((*volume)->tree());
        if (!read) return failed("it does not read", read.error());
        observed = *std::move(read);
        left = disk->kill();
    }
    const auto expires = [](const Observed::File& file) { return file.expires_ns.has_value(); };
    if (std::any_of(observed.files.begin(), observed.files.end(), expires)) {
        auto seen = observe_expiry(*left->kill(), random, observed, observed.problems);
        if (!seen) return failed("what expires is not seen", seen.error());
    }
    const Walk first = walk_store(*left->kill(), random);
    add_all(observed.problems, first.problems, "after the first start");
    {
        auto volume = open_volume(*left, random, clock);
        if (!volume) return failed("it does not open again", volume.error());
        for (const auto& line : (*volume)->open_report())
            observed.problems.push_back("the second start reports: " + line);
        // Equal rows over packs that nobody writes are an equal tree.
        const Walk second = walk_store(*left->kill(), random);
        if (second.rows != first.rows)
            observed.problems.push_back("the second start changed rows:\n" + first.rows +
                                        "\ninto\n" + second.rows);
        if (auto closed = (*volume)->close(); !closed)
            return failed("it does not stop", closed.error());
    }
    if (seed % 8 == 0)
        add_all(observed.problems, walk_store(*left, random).problems, "after a clean stop");
    return observed;
}

std::string difference(const Observed& observed, const TreeState& whole_state,
                       std::int64_t now_ns) {
    const TreeState state = visible_at(whole_state, now_ns);
    if (!observed.folders.empty())
        return fmt::format("folder {} should not be there", observed.folders.front());
    std::map<std::size_t, int> paired;
    for (const auto& [name, index] : observed.names) {
        if (has_expired(observed.files[index], now_ns)) continue;
        auto expected = state.names.find(name);
        if (expected == state.names.end()) return fmt::format("{} should not be there", name);
        auto [pair, is_new] = paired.emplace(index, expected->second);
        if (!is_new) {
            if (pair->second != expected->second)
                return fmt::format("{} is a link to another file", name);
            continue;
        }
        const FileState& file = state.files.at(expected->second);
        const Observed::File& found = observed.files[index];
        if (found.links != static_cast<std::uint32_t>(state.links(expected->second)))
            return fmt::format("{} has {} links", name, found.links);
        if (found.size > file.bytes.size())
            return fmt::format("{} has {} bytes, which is more than {}", name, found.size,
                               file.bytes.size());
        if (found.size < file.floor)
            return fmt::format("{} has {} bytes, which is less than {}", name, found.size,
                               file.floor);
        if (found.hash != hash_of(Bytes(file.bytes).first(found.size)))
            return fmt::format("{} has other bytes ({} of them)", name, found.size);
        if (found.modified_ns != file.modified_ns)
            return fmt::format("{} was modified at {}, not {}", name, found.modified_ns,
                               file.modified_ns);
        if (found.expires_ns != file.expires_ns)
            return fmt::format("{} expires at {}, not {}", name, found.expires_ns.value_or(0),
                               file.expires_ns.value_or(0));
    }
    const auto visible = visible_at(observed, now_ns);
    for (const auto& [name, file] : state.names)
        if (!visible.contains(name)) return fmt::format("{} is missing", name);
    return "";
}

}  // namespace reelfs::test
